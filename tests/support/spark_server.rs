//! A Spark Connect server for a test: the one that `STEPWELL_TEST_SPARK_REMOTE` names (`tests/support/spark.sh` starts Apache
//! Spark and sets it), else Sail, from the tests' virtual environment.

use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A server that ends with the value.
pub struct SparkServer {
    /// `sc://…`
    pub remote: String,
    sail: Option<Child>,
}

impl SparkServer {
    /// The server, once it takes connections.
    pub fn start() -> SparkServer {
        match std::env::var("STEPWELL_TEST_SPARK_REMOTE") {
            Ok(remote) if !remote.is_empty() => SparkServer { remote, sail: None },
            _ => SparkServer::sail(),
        }
    }

    fn sail() -> SparkServer {
        let made = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/", "../tests/support/venv.sh")).output();
        let made =
            made.or_else(|_| Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/venv.sh")).output());
        let made = made.expect("tests/support/venv.sh runs");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let programs = String::from_utf8(made.stdout).expect("a path").trim().to_owned();
        let port = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("its number").port();
        // Ends by itself should this process be killed.
        let sail = Command::new("timeout")
            .args(["-s", "KILL", "900", &format!("{programs}/sail"), "spark", "server", "--ip", "127.0.0.1", "--port"])
            .arg(port.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("sail starts");
        let server = SparkServer { remote: format!("sc://127.0.0.1:{port}"), sail: Some(sail) };
        let deadline = Instant::now() + Duration::from_secs(60);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < deadline, "sail does not listen on port {port}");
            std::thread::sleep(Duration::from_millis(20));
        }
        server
    }
}

impl Drop for SparkServer {
    fn drop(&mut self) {
        if let Some(sail) = &mut self.sail {
            let group = nix::unistd::Pid::from_raw(sail.id().cast_signed());
            let _ = nix::sys::signal::killpg(group, nix::sys::signal::Signal::SIGKILL);
            let _ = sail.wait();
        }
    }
}
