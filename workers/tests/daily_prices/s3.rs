//! The same cases on `s3://`: this program once more, with an S3 server of its own (moto's).

use std::process::Command;

use crate::moto::Moto;
use crate::support::S3_VARIABLE;

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
