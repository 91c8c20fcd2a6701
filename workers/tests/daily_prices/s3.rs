//! The same cases on `s3://`: this program once more, with an S3 server of its own (moto's).

use crate::moto::Moto;
use crate::support::{S3_VARIABLE, run_every_case_again};

#[test]
fn every_case_holds_on_s3_too() {
    let moto = Moto::start();
    run_every_case_again(&["every_case_holds_on_s3_too"], S3_VARIABLE, &moto.url);
}
