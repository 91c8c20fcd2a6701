//! The migrations are part of the library: a new file among them is a reason to build it again.

#[allow(clippy::print_stdout, reason = "this is how a build script talks to cargo")]
fn main() {
    println!("cargo:rerun-if-changed=../migrations");
}
