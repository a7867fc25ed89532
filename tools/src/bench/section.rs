//! What one bench found, for people: rows under heads on a terminal, as JSON by name, and what of it is worth drawing.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// What one bench found.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Section {
    /// What was measured.
    pub title: String,
    /// What the columns are, without the first; empty where a row has one cell that explains itself.
    #[serde(default)]
    pub heads: Vec<String>,
    /// Names and cells.
    pub rows: Vec<(String, Vec<String>)>,
    /// What is drawn above the rows.
    #[serde(default)]
    pub bars: Vec<Bar>,
    /// What the reader has to know.
    #[serde(default)]
    pub note: String,
}

/// A time to be drawn, with another one to compare it with.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Bar {
    /// What took so long.
    pub name: String,
    /// Nanoseconds.
    pub took_ns: u64,
    /// Nanoseconds of what it stands beside; 0 = of nothing.
    pub beside_ns: u64,
}

impl Section {
    /// Without rows yet; `heads` are those of the columns after the name.
    pub fn new(title: &str, heads: &[&str]) -> Self {
        let heads = heads.iter().map(|head| (*head).to_owned()).collect();
        Self { title: title.to_owned(), heads, ..Self::default() }
    }

    /// Adds a row.
    pub fn row(&mut self, name: &str, cells: Vec<String>) {
        self.rows.push((name.to_owned(), cells));
    }

    /// For a terminal: numbers to the right, sentences to the left.
    pub fn text(&self) -> String {
        let all: Vec<(&str, &[String])> = std::iter::once(("", self.heads.as_slice()))
            .filter(|(_, heads)| !heads.is_empty())
            .chain(self.rows.iter().map(|(name, cells)| (name.as_str(), cells.as_slice())))
            .collect();
        let name_width = all.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
        let columns = self.heads.len();
        let width = |column: usize| {
            let cells = all
                .iter()
                .filter(|(_, cells)| columns == 1 || cells.len() > 1)
                .filter_map(|(_, cells)| cells.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let mut lines = vec![self.title.clone()];
        for (name, cells) in all {
            let mut line = format!("  {name:<name_width$}");
            if columns != 1 && cells.len() == 1 {
                line.extend(["  ", cells.first().map_or("", String::as_str)]);
            } else {
                line.extend(cells.iter().zip(&widths).map(|(cell, width)| format!("  {cell:>width$}")));
            }
            lines.push(line.trim_end().to_owned());
        }
        if !self.note.is_empty() {
            lines.push(format!("  {}", self.note));
        }
        lines.join("\n")
    }

    /// Title, and rows by name: the cell, or the cells by their heads.
    pub fn json(&self) -> Value {
        let row = |cells: &[String]| -> Value {
            if self.heads.len() < 2 || cells.len() == 1 {
                return cells.join(" ").into();
            }
            let cells = self.heads.iter().zip(cells).map(|(head, cell)| (head.clone(), Value::from(cell.as_str())));
            Value::Object(cells.collect())
        };
        let rows: Map<_, _> = self.rows.iter().map(|(name, cells)| (name.clone(), row(cells))).collect();
        json!({ "title": self.title, "rows": rows })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_under_their_heads() {
        let mut section = Section::new("two things", &["p50", "longest"]);
        section.row("one", vec!["9 ns".into(), "1.20 us".into()]);
        section.row("another", vec!["120 ns".into(), "3 ns".into()]);
        section.row("a sentence", vec!["not measured: one cpu".into()]);
        section.note = "read it so".to_owned();
        let expected = [
            "two things",
            "                 p50  longest",
            "  one           9 ns  1.20 us",
            "  another     120 ns     3 ns",
            "  a sentence  not measured: one cpu",
            "  read it so",
        ];
        // The widest cell of a column may be a sentence: what stands alone in its row does not count there.
        let lines: Vec<String> = section.text().lines().map(str::to_owned).collect();
        assert_eq!(lines, expected);
        assert_eq!(section.json()["rows"]["another"]["longest"], "3 ns");
        assert_eq!(section.json()["rows"]["a sentence"], "not measured: one cpu");
    }
}
