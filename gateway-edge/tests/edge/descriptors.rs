//! When the process has no file descriptor left, the port sheds connections instead of going deaf. Runs in a process of
//! its own with a low limit.

use std::fs::File;
use std::process::Command;

use crate::client::{Client, enter};
use crate::rig::Rig;

const CHILD: &str = "GATEWAY_EDGE_FEW_DESCRIPTORS";

#[test]
fn a_process_without_descriptors_recovers() {
    let program = std::env::current_exe().unwrap();
    let arguments = "--exact descriptors::few_descriptors --nocapture";
    let output = Command::new("sh")
        .args(["-c", &format!("ulimit -n 48 && exec \"$0\" {arguments}")])
        .arg(program)
        .env(CHILD, "1")
        .output()
        .unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && stdout.contains("recovered"), "{stdout}");
}

/// Does something only in the child.
#[test]
fn few_descriptors() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    let mut rig = Rig::new();
    let mut honest = rig.log_in("DEMO01", 0);
    let waiting: Vec<Client> = (0..8).map(|_| rig.connect()).collect();
    let mut hoard = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        hoard.push(file);
    }
    rig.until(|rig| (rig.edge.counters().accept_errors >= 8).then_some(()));
    for mut client in waiting {
        rig.until_closed(&mut client);
    }
    honest.send_packet(b'U', &enter(1, b'B', 100, 1_000_000));
    assert_eq!(rig.message(&mut honest)[0], b'A');
    drop(hoard);
    rig.log_in("DEMO02", 0);
    println!("recovered");
}
