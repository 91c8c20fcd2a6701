//! Moto's server in its own process, and what boto3 sees there.
#![allow(dead_code, reason = "each program of tests uses its own part of it")]

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

/// A server that ends with this value.
pub(crate) struct Moto {
    server: Child,
    /// Its address.
    pub url: String,
    python: String,
}

impl Drop for Moto {
    fn drop(&mut self) {
        drop(self.server.kill());
        drop(self.server.wait());
    }
}

impl Moto {
    /// Starts one on a free port.
    pub fn start() -> Self {
        let support = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/support");
        let output = Command::new(format!("{support}/venv.sh")).output().expect("tests/support/venv.sh runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let python = format!("{}/python", String::from_utf8(output.stdout).unwrap().trim());
        let server = format!("{support}/moto_server.py");
        let mut server = Command::new(&python).arg(server).stdout(Stdio::piped()).spawn().expect("python starts");
        let mut url = String::new();
        BufReader::new(server.stdout.take().unwrap()).read_line(&mut url).unwrap();
        let url = url.trim().to_owned();
        assert!(url.starts_with("http://127.0.0.1:"), "moto did not start: {url}");
        Self { server, url, python }
    }

    /// What a script that knows `glue`, boto3's client, prints as JSON.
    pub fn ask(&self, script: &str) -> Value {
        let prelude = "import boto3, json, sys\nglue = boto3.client('glue', endpoint_url=sys.argv[1], \
                       region_name='us-east-1', aws_access_key_id='x', aws_secret_access_key='x')\n";
        let script = format!("{prelude}{script}");
        let output = Command::new(&self.python).args(["-c", &script, &self.url]).output().expect("python starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("the script prints JSON")
    }
}
