//! The same cases on `s3://`: this program once more, with an S3 server of its own (moto's).

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use crate::support::S3_VARIABLE;

/// A server that ends with this value.
struct Moto {
    process: Child,
    url: String,
}

impl Moto {
    fn start() -> Moto {
        let support = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/support");
        let made = Command::new(format!("{support}/venv.sh")).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let programs = String::from_utf8(made.stdout).unwrap();
        let mut process = Command::new(format!("{}/python", programs.trim()))
            .arg(format!("{support}/moto_server.py"))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut first = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut first).unwrap();
        let url = first.trim().to_owned();
        assert!(url.starts_with("http://127.0.0.1:"), "moto does not start: {url}");
        Moto { process, url }
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        // It may have ended before.
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

#[test]
fn every_case_holds_on_s3_too() {
    let moto = Moto::start();
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--skip", "every_case_holds_on_s3_too"])
        .env(S3_VARIABLE, &moto.url)
        .output()
        .unwrap();
    let (told, log) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{told}\n{log}");
    let passed = told.lines().find_map(|line| line.strip_prefix("test result: ok. ")?.split(' ').next()?.parse().ok());
    assert!(passed.unwrap_or(0) >= 20, "the cases were run: {told}");
}
