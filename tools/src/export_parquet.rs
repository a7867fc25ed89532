//! The commands of a journal as a Parquet file: a row per command, in row groups that bound what is held in memory. The only
//! place that knows the parquet crate.

use std::fs::File;
use std::io::BufWriter;
use std::sync::Arc;

use parquet::basic::Compression;
use parquet::data_type::{ByteArray, ByteArrayType, DataType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;

/// Rows of one group.
const GROUP_ROWS: usize = 65_536;

/// Prices and quantities are in wire units; what a command does not have is null; `fields` is the whole command in words.
const SCHEMA: &str = "message command {
  required int64 sequence (integer(64, false));
  required int64 ingress_ns (timestamp(nanos, true));
  required binary command (string);
  optional int64 account;
  optional int64 channel;
  optional int64 user_ref_num;
  optional int64 instrument;
  optional binary side (string);
  optional int64 price;
  optional int64 quantity;
  required binary fields (string);
}";

/// One command.
#[derive(Clone, Debug)]
pub struct Row {
    /// Its place in the journal.
    pub sequence: u64,
    /// The venue's time at it.
    pub ingress_ns: u64,
    /// Its name.
    pub command: &'static str,
    /// Account, channel, user reference number, instrument, side, price, quantity as texts; empty where it has none.
    pub columns: [String; 7],
    /// All of it in words.
    pub fields: String,
}

/// Writes rows.
pub struct Table {
    file: SerializedFileWriter<BufWriter<File>>,
    rows: Vec<Row>,
}

impl Table {
    /// Into this file.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn new(file: File) -> Result<Self, ParquetError> {
        let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
        let schema = Arc::new(parse_message_type(SCHEMA)?);
        let file = SerializedFileWriter::new(BufWriter::new(file), schema, Arc::new(properties))?;
        Ok(Self { file, rows: Vec::new() })
    }

    /// Adds a row.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn push(&mut self, row: Row) -> Result<(), ParquetError> {
        self.rows.push(row);
        if self.rows.len() == GROUP_ROWS { self.end_group() } else { Ok(()) }
    }

    /// Writes what is left, and the end of the file.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn finish(mut self) -> Result<File, ParquetError> {
        self.end_group()?;
        let file = self.file.into_inner()?;
        file.into_inner().map_err(|error| ParquetError::External(error.into_error().into()))
    }

    fn end_group(&mut self) -> Result<(), ParquetError> {
        if self.rows.is_empty() {
            return Ok(());
        }
        let rows = &self.rows;
        let mut group = self.file.next_row_group()?;
        required::<Int64Type, _>(&mut group, rows.iter().map(|row| row.sequence.cast_signed()))?;
        required::<Int64Type, _>(&mut group, rows.iter().map(|row| row.ingress_ns.cast_signed()))?;
        required::<ByteArrayType, _>(&mut group, rows.iter().map(|row| ByteArray::from(row.command)))?;
        for column in 0..7 {
            let texts = rows.iter().map(|row| row.columns.get(column).map_or("", String::as_str));
            if column == 4 {
                let side = |text: &str| (!text.is_empty()).then(|| ByteArray::from(text));
                optional::<ByteArrayType, _>(&mut group, texts.map(side))?;
            } else {
                optional::<Int64Type, _>(&mut group, texts.map(|text| text.parse().ok()))?;
            }
        }
        required::<ByteArrayType, _>(&mut group, rows.iter().map(|row| ByteArray::from(row.fields.as_str())))?;
        group.close()?;
        self.rows.clear();
        Ok(())
    }
}

type Group<'a> = SerializedRowGroupWriter<'a, BufWriter<File>>;

fn required<T: DataType, I: Iterator<Item = T::T>>(group: &mut Group<'_>, values: I) -> Result<(), ParquetError> {
    write::<T>(group, &values.collect::<Vec<_>>(), None)
}

fn optional<T: DataType, I: Iterator<Item = Option<T::T>>>(
    group: &mut Group<'_>,
    values: I,
) -> Result<(), ParquetError> {
    let (mut present, mut levels) = (Vec::new(), Vec::new());
    for value in values {
        levels.push(i16::from(value.is_some()));
        present.extend(value);
    }
    write::<T>(group, &present, Some(&levels))
}

fn write<T: DataType>(group: &mut Group<'_>, values: &[T::T], levels: Option<&[i16]>) -> Result<(), ParquetError> {
    let missing = || ParquetError::General("the schema has fewer columns than are written".to_owned());
    let mut column = group.next_column()?.ok_or_else(missing)?;
    column.typed::<T>().write_batch(values, levels, None)?;
    column.close()
}

impl std::fmt::Debug for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Table").field("waiting", &self.rows.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::RowAccessor;

    use super::*;

    #[test]
    fn what_is_written_is_read_back_through_many_groups() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("commands.parquet");
        let mut table = Table::new(File::create(&path).unwrap()).unwrap();
        let last = 2 * GROUP_ROWS as u64 + 3;
        for sequence in 1..=last {
            let has_price = sequence % 3 == 0;
            let columns =
                ["7", "0", "4294967295", "", if has_price { "S" } else { "" }, if has_price { "9" } else { "" }, ""];
            let columns = columns.map(str::to_owned);
            let row =
                Row { sequence, ingress_ns: sequence * 10, command: "Enter", columns, fields: format!("f{sequence}") };
            table.push(row).unwrap();
        }
        table.finish().unwrap();
        let reader = SerializedFileReader::new(File::open(&path).unwrap()).unwrap();
        assert_eq!(reader.num_row_groups(), 3);
        let mut expected = 0;
        for row in reader.get_row_iter(None).unwrap().map(Result::unwrap) {
            expected += 1;
            assert_eq!((row.get_ulong(0).unwrap(), row.get_string(2).unwrap().as_str()), (expected, "Enter"));
            assert_eq!((row.get_long(3).unwrap(), row.get_long(5).unwrap()), (7, 4_294_967_295));
            assert!(row.get_long(6).is_err() && row.get_long(9).is_err(), "null");
            assert_eq!(row.get_long(8).ok(), (expected % 3 == 0).then_some(9));
            assert_eq!(row.get_string(7).ok().map(String::as_str), (expected % 3 == 0).then_some("S"));
            assert_eq!(*row.get_string(10).unwrap(), format!("f{expected}"));
        }
        assert_eq!(expected, last);
    }
}
