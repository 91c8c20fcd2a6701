//! `stepwell job`: a data job run by hand, or by a worker as its child; and what jobs there are.

use std::process::ExitCode;

use orchestrator::telemetry;
use workers::job::{COMMON_ARGUMENTS, JobDefinition, LOG_FILTER, job, jobs};

/// Does what the words after `stepwell job` ask for. Exit status 2 for a job that does not exist.
pub fn run(words: &[String]) -> ExitCode {
    let Some((first, arguments)) = words.split_first() else {
        list();
        return ExitCode::SUCCESS;
    };
    let asks = |word: &String| word == "--help" || word == "-h";
    match first.as_str() {
        "--list" => list(),
        "--help" | "-h" => usage(),
        name if arguments.iter().any(asks) => match job(name) {
            Some(job) => describe(job),
            None => {
                eprintln!("stepwell: there is no job `{name}`; `stepwell job --list` lists them");
                return ExitCode::from(2);
            }
        },
        name => {
            telemetry::log::init(LOG_FILTER);
            return workers::main_job_process(name, arguments);
        }
    }
    ExitCode::SUCCESS
}

#[expect(clippy::print_stdout, reason = "what a person asked to see")]
fn list() {
    for job in jobs() {
        println!("{:32} {}", job.name, job.summary);
    }
}

#[expect(clippy::print_stdout, reason = "what a person asked to see")]
fn usage() {
    println!(
        "Run one data job here and now, as a worker would\n\n\
         Usage: stepwell job <NAME> [--<ARGUMENT> <VALUE>]...\n       \
         stepwell job <NAME> --help\n       \
         stepwell job --list\n\nJobs:"
    );
    jobs().iter().for_each(|job| println!("  {:32} {}", job.name, job.summary));
}

#[expect(clippy::print_stdout, reason = "what a person asked to see")]
fn describe(job: &JobDefinition) {
    println!("{}\n\nUsage: stepwell job {} [--<ARGUMENT> <VALUE>]...\n\nArguments:", job.summary, job.name);
    job.arguments.iter().for_each(|argument| println!("  --{argument} <VALUE>"));
    println!("\nArguments of every job:");
    COMMON_ARGUMENTS.iter().for_each(|argument| println!("  --{argument} <VALUE>"));
    println!(
        "\nThe last line of standard output is the result object. Exit status: 0 success or skip, 1 failed, 2 bad arguments, \
         3 some partitions failed."
    );
}
