//! The venue as its operator sees it: counters while it runs and after its death, the screen, the watchdog.

#![expect(clippy::panic, clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod support;

use std::path::Path;

use serde_json::Value;
use support::{Client, Venue, eventually, json, run, stdout};

/// Enters and cancels so many orders, one after the other.
fn trade(venue: &Venue, orders: u32) {
    let mut client = Client::login(venue.order_port(), "DEMO01");
    client.message();
    for number in 1..=orders {
        client.enter(number, b'B', 100, "AAPL", 1_000_000);
        client.message();
    }
}

fn counters(dir: &str) -> Value {
    json(&run(&["counters", "--json", "--data-dir", dir]))
}

/// The alarms, but for those of a machine that itself stands still for a while.
fn alarms_of_the_venue(counters: &Value) -> Vec<&str> {
    let all = counters["alarms"].as_array().unwrap().iter().map(|name| name.as_str().unwrap());
    all.filter(|name| !["thread-stalled", "watchdog-silent"].contains(name)).collect()
}

fn number(counters: &Value, name: &str) -> u64 {
    counters["values"][name].as_u64().unwrap_or_else(|| panic!("no number {name}: {counters}"))
}

const STAGES: [&str; 4] = ["stage.sequenced", "stage.matched", "stage.durable", "stage.written"];

#[test]
fn counters_are_read_while_the_venue_runs_and_after_it_was_killed() {
    let temp = tempfile::tempdir().unwrap();
    let venue = Venue::start(&temp.path().join("data"));
    trade(&venue, 640);
    let dir = venue.dir().to_owned();
    let live = eventually("640 commands are counted", || {
        let found = counters(&dir);
        (number(&found, "edge.commands") == 640 && number(&found, "follower.sequence") >= 640).then_some(found)
    });
    assert_eq!(live["live"], true);
    assert_eq!(alarms_of_the_venue(&live), Vec::<&str>::new());
    assert_eq!(number(&live, "edge.sequence"), number(&live, "journal.sequence"));
    assert_eq!(number(&live, "edge.sequence"), number(&live, "core.sequence"));
    assert_eq!(live["values"]["venue.durability"], "journal");
    // One in 64 was followed; a ready-made answer is written at once, so none is missing.
    let times = |name: &str, what: &str| live["values"][name][what].as_u64().unwrap();
    assert_eq!(times("stage.whole", "count"), 10);
    let parts: u64 = STAGES.iter().map(|name| times(name, "sum")).sum();
    assert_eq!(parts, times("stage.whole", "sum"), "the stages add up to the whole");
    assert!(STAGES.iter().all(|name| times(name, "count") == 10));
    let frame = stdout(&run(&["top", "--once", "--data-dir", &dir]));
    assert_eq!(frame.lines().count(), 24);
    assert!(frame.lines().all(|line| line.chars().count() <= 80), "{frame}");
    for wanted in ["100 x 64000", "durability journal", "whole", "alarms"] {
        assert!(frame.contains(wanted), "{wanted}: {frame}");
    }
    venue.kill();
    let dead = counters(&dir);
    assert_eq!((dead["live"].as_bool(), number(&dead, "edge.commands")), (Some(false), 640));
    assert_eq!(alarms_of_the_venue(&dead), ["venue-down"]);
}

#[test]
fn journal_follower_and_disk_are_counted() {
    let temp = tempfile::tempdir().unwrap();
    let venue = Venue::start_with(&temp.path().join("data"), &["--durability", "fdatasync"]);
    trade(&venue, 30);
    let found = eventually("the follower has come to the end", || {
        let found = counters(venue.dir());
        let is_there = number(&found, "follower.sequence") == number(&found, "edge.sequence");
        (is_there && number(&found, "follower.lag") == 0).then_some(found)
    });
    // One order at a time, and each was answered: a flush for each.
    let (flushes, flushed) = (number(&found, "journal.flushes"), number(&found, "journal.flushed_commands"));
    assert!(flushes >= 30 && flushed >= flushes, "{flushes} flushes of {flushed} commands");
    assert_eq!(found["values"]["journal.flush"]["count"], flushes);
    assert!(number(&found, "journal.free_mib") > 0 && number(&found, "journal.refusing_orders") == 0);
    assert_eq!(number(&found, "follower.differences"), 0);
    let frame = stdout(&run(&["top", "--once", "--data-dir", venue.dir()]));
    assert!(frame.contains(" of 1 ") && frame.contains("different 0"), "{frame}");
    let dir = venue.dir().to_owned();
    venue.stop("-INT");
    let found = counters(&dir);
    assert_eq!((number(&found, "follower.snapshots"), number(&found, "follower.compared")), (1, 1));
    assert_eq!(number(&found, "follower.same_at_sequence"), number(&found, "journal.sequence"));
}

#[test]
fn an_orderly_stop_is_told_apart_from_a_death() {
    let temp = tempfile::tempdir().unwrap();
    let venue = Venue::start(&temp.path().join("data"));
    let dir = venue.dir().to_owned();
    venue.stop("-TERM");
    assert_eq!(number(&counters(&dir), "venue.ended"), 1);
    let table = stdout(&run(&["counters", "venue", "--data-dir", &dir]));
    assert!(table.contains("has ended") && table.contains("stopped orderly"), "{table}");
    assert!(!table.contains("edge.commands"), "only the prefix asked for: {table}");
}

/// The shipped configuration with changes, as a file in `folder`.
fn config_with(folder: &Path, changes: &[(&str, &str)]) -> String {
    let mut text = std::fs::read_to_string(support::workspace().join("configs/hft.toml")).unwrap();
    for (from, to) in changes {
        assert!(text.contains(from), "the configuration has no {from}");
        text = text.replacen(from, to, 1);
    }
    std::fs::create_dir_all(folder).unwrap();
    let path = folder.join("hft.toml");
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

/// The lines of a log in JSON.
fn log_lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_stalled_agent_is_named_within_100_ms_and_the_venue_goes_on() {
    let temp = tempfile::tempdir().unwrap();
    let look = |agent: &str| {
        let folder = temp.path().join(agent);
        let log = folder.join("hft.log");
        let file = format!("file = {:?}\n\n[durability]", log.to_str().unwrap());
        let config =
            config_with(&folder, &[("format = \"text\" ", "format = \"json\" "), ("[durability]", file.as_str())]);
        // Long, because the watchdog gets no cpu for a while where the machine is busy.
        let more = ["--config", config.as_str(), "--test-stall", &format!("{agent}:1500")];
        let venue = Venue::start_with(&folder.join("data"), &more);
        trade(&venue, 3);
        let name = format!("watchdog.{agent}.stalls");
        let found = eventually("it is counted", || {
            let found = counters(venue.dir());
            (number(&found, &name) > 0).then_some(found)
        });
        assert!(found["alarms"].as_array().unwrap().contains(&"thread-stalled".into()), "{found}");
        let line = eventually("it is logged", || {
            let is_it = |line: &Value| line["level"] == "ERROR" && line["fields"]["agent"] == agent;
            log_lines(&log).into_iter().find(is_it)
        });
        let ms = line["fields"]["ms"].as_u64().unwrap_or_else(|| panic!("{line}"));
        assert!((80..100).contains(&ms), "noticed after {ms} ms: {line}");
        if number(&found, "watchdog.late") == 0 {
            assert_eq!(number(&found, &name), 1, "{agent}: {found}");
            for other in ["core", "journal", "edge"].iter().filter(|other| **other != agent) {
                let stalls = found["values"][format!("watchdog.{other}.stalls")].as_u64();
                assert_eq!(stalls.unwrap_or(0), 0, "{other} while {agent} stood still");
            }
        } else {
            eprintln!("skipped in part: this machine stood still itself, so others may have, too");
        }
        venue.stop("-TERM");
    };
    std::thread::scope(|scope| {
        for agent in ["core", "journal", "edge"] {
            scope.spawn(move || look(agent));
        }
    });
}

#[test]
fn a_stalled_agent_stops_the_venue_where_that_is_asked_for() {
    let temp = tempfile::tempdir().unwrap();
    let config = config_with(temp.path(), &[("on_stall = \"log\"", "on_stall = \"stop\"")]);
    let (dir, offset) = (temp.path().join("data"), support::free_offset());
    let shift = offset.to_string();
    let mut command = support::hft(&["serve", "--config", &config, "--port-offset", &shift]);
    command.args(["--data-dir", dir.to_str().unwrap(), "--test-stall", "core:1500"]);
    let piped = std::process::Stdio::piped;
    let mut child = command.stdout(piped()).stderr(piped()).spawn().unwrap();
    // Work for the core, unless a pause of a busy machine has stopped it already.
    let socket = eventually("the venue listens, or has stopped", || {
        let socket = std::net::TcpStream::connect(("127.0.0.1", 9_001 + offset)).ok();
        socket.map(Some).or_else(|| child.try_wait().unwrap().map(|_| None))
    });
    if let Some(mut socket) = socket {
        let blank = protocol::SessionName::BLANK;
        let login = protocol::soupbin::LoginRequest::new("DEMO01", "demo-pass", blank, 1).unwrap();
        drop(std::io::Write::write_all(&mut socket, &login.to_packet()));
        // Held open until the venue ends it.
        drop(std::io::copy(&mut socket, &mut std::io::sink()));
    }
    let output = child.wait_with_output().unwrap();
    let told = support::stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{told}");
    let named = ["core", "edge", "journal"].into_iter().find(|agent| {
        told.contains(&format!("the {agent} thread did not move for"))
            && told.contains("does not move")
            && told.contains(&format!("agent=\"{agent}\""))
    });
    // A busy machine may have held up another one first.
    assert!(named.is_some() && told.contains("watchdog.on_stall is \"stop\""), "{told}");
}

/// A line of `/proc/PID/status` of the venue, or of one of its threads.
fn status(path: &str, key: &str) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with(key)).unwrap_or_default();
    line.split_once(':').map_or("", |(_, value)| value.trim()).to_owned()
}

/// The status file of the thread with this name.
fn thread_status(venue: &Venue, name: &str) -> String {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", venue.pid()));
    let mut paths = tasks.into_iter().flatten().flatten().map(|task| task.path().join("status").display().to_string());
    paths.find(|path| status(path, "Name") == name).unwrap_or_else(|| panic!("no thread {name}"))
}

#[test]
fn threads_and_memory_are_where_the_plan_says() {
    let temp = tempfile::tempdir().unwrap();
    let plan = json(&run(&["topology", "--json"]));
    // Where the kernel lets a process choose; some containers do not.
    let maps = |pid: u32| std::fs::read_to_string(format!("/proc/{pid}/numa_maps")).unwrap_or_default();
    let can_bind = !maps(std::process::id()).is_empty();
    let bind = if can_bind { "bind_memory = \"on\"" } else { "bind_memory = \"off\"" };
    let changes = [
        ("lock_memory = \"auto\"", "lock_memory = \"on\""),
        ("bind_memory = \"auto\"", bind),
        ("huge_pages = \"auto\"", "huge_pages = \"on\""),
    ];
    let config = config_with(temp.path(), &changes);
    let data = temp.path().join("data");
    let offset = support::free_offset().to_string();
    let dir = data.to_str().unwrap();
    let mut first = support::hft(&["serve", "--config", &config, "--data-dir", dir]);
    let child = first.args(["--port-offset", &offset]).stdout(std::process::Stdio::piped());
    let mut child = child.stderr(std::process::Stdio::piped()).spawn().unwrap();
    let mut told = String::new();
    let mut out = std::io::BufReader::new(child.stdout.take().unwrap());
    while !told.ends_with("ready\n") && std::io::BufRead::read_line(&mut out, &mut told).unwrap() > 0 {}
    if !told.ends_with("ready\n") {
        let output = child.wait_with_output().unwrap();
        let why = support::stderr(&output);
        assert!(why.contains("cannot lock memory") || why.contains("cannot bind memory"), "{why}{told}");
        eprintln!("skipped: this system does not let memory be locked or bound: {why}");
        return;
    }
    let locked = status(&format!("/proc/{}/status", child.id()), "VmLck");
    let kib: u64 = locked.split(' ').next().unwrap_or_default().parse().unwrap();
    let bound = maps(child.id());
    drop(child.kill());
    drop(child.wait());
    if can_bind {
        let node = plan["node"].as_u64().unwrap_or(0);
        assert!(bound.lines().any(|line| line.contains(&format!(" bind:{node} "))), "{bound}");
    } else {
        eprintln!("skipped in part: this kernel tells no memory policies");
    }
    assert!(kib > 10_000, "VmLck {locked}: {told}");
    assert!(told.contains("present and locked") && told.contains("huge pages asked for"), "{told}");
    // Affinity, of a venue without any of that.
    let venue = Venue::start(&temp.path().join("other"));
    if let Some(cpu) = plan["threads"]["core"]["cpu"].as_u64() {
        let name = if plan["shape"] == "shared" { "hft-hot" } else { "hft-core" };
        assert_eq!(status(&thread_status(&venue, name), "Cpus_allowed_list"), cpu.to_string());
    } else {
        eprintln!("skipped in part: one cpu, nobody is pinned");
    }
    let house = status(&thread_status(&venue, "hft-feed"), "Cpus_allowed_list");
    let wanted: Vec<u64> = plan["housekeeping"].as_array().unwrap().iter().filter_map(Value::as_u64).collect();
    assert_eq!(house.split([',', '-']).next().unwrap_or_default(), wanted[0].to_string());
}

#[test]
fn harmful_wishes_keep_the_venue_from_starting() {
    let temp = tempfile::tempdir().unwrap();
    let allowed = json(&run(&["topology", "--json"]))["allowed"].clone();
    let mut cases =
        vec![("outside", "core_cpu = 4000".to_owned(), "threads.core_cpu = 4000: this process may use cpus")];
    if let (Some(core), Some(edge)) = (allowed[0].as_u64(), allowed[1].as_u64()) {
        let waits = "core_wait = \"spin\"\nedge_wait = \"spin\"\njournal_wait = \"spin\"";
        let cpus = format!("core_cpu = {core}\nedge_cpu = {edge}\njournal_cpu = {edge}\n{waits}");
        cases.push(("two", cpus, "two spinning threads never share a cpu"));
    } else {
        eprintln!("skipped in part: one cpu, all take turns on it");
    }
    for (name, to, wanted) in cases {
        let config = config_with(&temp.path().join(name), &[("# core_cpu = 3", &to)]);
        for command in ["topology", "serve"] {
            let dir = temp.path().join("data");
            let output = run(&[command, "--config", &config, "--data-dir", dir.to_str().unwrap()]);
            let told = support::stderr(&output);
            assert_eq!(output.status.code(), Some(1), "{name}: {told}");
            assert!(told.contains(wanted) && told.lines().count() == 1, "{name}: {told}");
        }
    }
}

#[test]
fn what_the_kernel_refuses_keeps_the_venue_from_starting() {
    use std::os::unix::fs::PermissionsExt;

    let temp = tempfile::tempdir().unwrap();
    std::fs::set_permissions(temp.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
    // Somebody who may nothing: root gives its rights away, others have none.
    let is_root = status("/proc/self/status", "Uid").starts_with("0\t");
    let nobody: &[&str] = if is_root { &["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] } else { &[] };
    for (name, from, to, wanted) in [
        ("lock", "lock_memory = \"auto\"", "lock_memory = \"on\"", "cannot lock memory, and [host] says on"),
        ("awake", "cpu_dma_latency = \"auto\"", "cpu_dma_latency = \"on\"", "cannot hold /dev/cpu_dma_latency"),
        ("fifo", "fifo_priority = 0", "fifo_priority = 50", "it takes CAP_SYS_NICE or ulimit -r 50"),
    ] {
        let folder = temp.path().join(name);
        let config = config_with(&folder, &[(from, to)]);
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o777)).unwrap();
        let data = folder.join("data");
        let hft = env!("CARGO_BIN_EXE_hft");
        let offset = support::free_offset();
        let serve = format!(
            "ulimit -l 64 -r 0; exec {} {hft} serve --config {config} --data-dir {} --port-offset {offset}",
            nobody.join(" "),
            data.display()
        );
        let output =
            std::process::Command::new("timeout").args(["-sINT", "20", "bash", "-c", &serve]).output().unwrap();
        let (told, printed) = (support::stderr(&output), stdout(&output));
        if told.contains("Permission denied") && !told.contains("dma_latency") {
            eprintln!("skipped: nobody may run this program here: {told}");
            return;
        }
        assert_eq!(output.status.code(), Some(1), "{name}: {told}{printed}");
        let last = told.trim_end().lines().last().unwrap_or_default();
        assert!(last.starts_with("hft: ") && last.contains(wanted), "{name}: {told}");
        assert!(!printed.contains("\nready"), "refused before it answers: {printed}");
    }
}

#[test]
fn the_log_goes_to_a_file_as_json_and_is_opened_again() {
    let temp = tempfile::tempdir().unwrap();
    let (log, moved) = (temp.path().join("hft.log"), temp.path().join("hft.log.1"));
    let file = format!("file = {:?}\n\n[durability]", log.to_str().unwrap());
    let config =
        config_with(temp.path(), &[("format = \"text\" ", "format = \"json\" "), ("[durability]", file.as_str())]);
    let more = ["--config", config.as_str(), "--test-stall", "core:1500"];
    let venue = Venue::start_with(&temp.path().join("data"), &more);
    trade(&venue, 1);
    let stalled = eventually("the stall is in the file", || {
        log_lines(&log).into_iter().find(|line| line["fields"]["agent"] == "core")
    });
    assert_eq!(stalled["level"], "ERROR");
    std::fs::rename(&log, &moved).unwrap();
    let pid = venue.pid().to_string();
    assert!(std::process::Command::new("kill").args(["-HUP", &pid]).status().unwrap().success());
    eventually("the file is there again", || log.exists().then_some(()));
    venue.stop("-TERM");
    let bad = std::fs::read_to_string(&config).unwrap().replacen(log.to_str().unwrap(), "/nonexistent/hft.log", 1);
    std::fs::write(&config, bad).unwrap();
    let refused = run(&["serve", "--config", &config, "--data-dir", temp.path().join("other").to_str().unwrap()]);
    let told = support::stderr(&refused);
    assert!(refused.status.code() == Some(1) && told.contains("log.file") && told.lines().count() == 1, "{told}");
}

#[test]
fn huge_pages_are_told_by_topology_doctor_and_start() {
    let temp = tempfile::tempdir().unwrap();
    let found = json(&run(&["topology", "--json"]));
    let pages = &found["huge_pages"];
    let wanted = pages["tables_of_a_core"].as_u64().unwrap();
    assert!(wanted > 4 && stdout(&run(&["topology"])).contains("huge pages "), "{found}");
    let venue = Venue::start(&temp.path().join("data"));
    let counted = counters(venue.dir());
    let (explicit, transparent) =
        (number(&counted, "memory.tables_explicit_bytes"), number(&counted, "memory.tables_transparent_bytes"));
    assert!(explicit + transparent >= wanted << 21, "{counted}");
    if pages["free"].as_u64().unwrap() >= 2 * wanted {
        assert!(explicit >= wanted << 21, "enough are set aside: {pages}");
    } else {
        eprintln!("skipped in part: {pages}: no explicit huge pages to try (echo N > /proc/sys/vm/nr_hugepages)");
    }
    let doctor = stdout(&run(&["doctor", "--data-dir", venue.dir()]));
    assert!(doctor.lines().any(|line| line.contains("huge pages") && line.contains("MiB in")), "{doctor}");
}

#[test]
fn what_was_measured_decides_how_cpus_are_shared() {
    let temp = tempfile::tempdir().unwrap();
    let data = temp.path().join("data");
    let offset = support::free_offset().to_string();
    // Whether it measures and decides, not what: a few orders are enough.
    let few = ["--orders", "100", "--rounds", "1"];
    let args = ["topology", "--measure", "--data-dir", data.to_str().unwrap(), "--port-offset", &offset];
    let output = run(&[&args[..], &few].concat());
    if !output.status.success() {
        let told = support::stderr(&output);
        assert!(told.contains("nothing to choose here"), "{told}");
        eprintln!("skipped: {told}");
        return;
    }
    let told = stdout(&output);
    assert!(told.contains("faster here: measured"), "{told}");
    // Whichever it was, both ways start and trade.
    for sharing in ["turns", "yield"] {
        let venue = Venue::start_with(&temp.path().join(sharing), &["--sharing", sharing]);
        trade(&venue, 70);
        let threads = std::fs::read_dir(format!("/proc/{}/task", venue.pid())).unwrap().flatten();
        let names: Vec<String> = threads
            .map(|task| std::fs::read_to_string(task.path().join("comm")).unwrap_or_default().trim().to_owned())
            .collect();
        let wanted = if sharing == "turns" { "hft-hot" } else { "hft-core" };
        assert!(names.iter().any(|name| name == wanted), "{sharing}: {names:?}");
    }
}

#[test]
fn the_screen_ends_with_q() {
    use std::io::{Read, Write};
    use std::process::{Command, Stdio};

    let temp = tempfile::tempdir().unwrap();
    let venue = Venue::start(&temp.path().join("data"));
    let screen = format!("stty rows 24 cols 80; exec {} top --data-dir {}", env!("CARGO_BIN_EXE_hft"), venue.dir());
    let mut command = Command::new("script");
    command.current_dir(support::workspace()).args(["-qec", &screen, "/dev/null"]).env("TERM", "xterm");
    let Ok(mut child) = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn() else {
        eprintln!("skipped: no program `script` here to make a terminal with");
        return;
    };
    let (mut out, mut seen) = (child.stdout.take().unwrap(), Vec::new());
    let mut bytes = [0; 4_096];
    while !String::from_utf8_lossy(&seen).contains("alarms") {
        let read = out.read(&mut bytes).unwrap();
        assert!(read > 0, "it ended by itself: {}", String::from_utf8_lossy(&seen));
        seen.extend_from_slice(&bytes[..read]);
    }
    child.stdin.as_mut().unwrap().write_all(b"q").unwrap();
    let mut rest = Vec::new();
    out.read_to_end(&mut rest).unwrap();
    assert!(child.wait().unwrap().success());
    assert!(String::from_utf8_lossy(&rest).contains("\u{1b}[?1049l"), "the screen of before is back");
}
