//! Wait: until a moment, or for some seconds.

use chrono::DateTime;
use serde_json::Value;

use crate::data_flow::{Evaluation, Extras};
use crate::decide::{Deciding, Step};
use crate::definition::{Operand, Wait};
use crate::execution::{EventKind, FrameId};
use crate::fault::Fault;
use crate::operand::{bare, whole};
use crate::step;
use crate::time::Timestamp;

/// The longest delay at run time. Source: recorded; 24,855 days pass, 24,856 fail.
const DELAY_SECONDS_MAX: i64 = i32::MAX as i64;

pub(crate) fn work(deciding: &mut Deciding<'_>, frame: FrameId, wait: &Wait) -> Step {
    let now = deciding.turn.now;
    let due_at = {
        let evaluation = deciding.evaluation(frame)?;
        let input = evaluation.filtered_input()?;
        let due_at = match wait {
            Wait::Seconds(seconds) => now.plus_seconds(seconds_to_wait(&evaluation, seconds, &input)?),
            Wait::Timestamp(timestamp) => moment(&evaluation, timestamp, &input)?,
        };
        let literal = matches!(wait, Wait::Seconds(Operand::Literal(_)) | Wait::Timestamp(Operand::Literal(_)));
        if !literal && due_at > now.plus_seconds(DELAY_SECONDS_MAX) {
            return Err(evaluation.runtime("Wait state delay is too long.".to_owned()).into());
        }
        due_at
    };
    if due_at <= now {
        return leave(deciding, frame);
    }
    deciding.emit(frame, EventKind::WaitStarted { due_at }).map(drop)
}

/// The wait is over.
pub(crate) fn leave(deciding: &mut Deciding<'_>, frame: FrameId) -> Step {
    let state = deciding.state(frame)?;
    let (output, assigned) = {
        let evaluation = deciding.evaluation(frame)?;
        let filtered = evaluation.filtered_input()?;
        let output = evaluation.output_of_input(&filtered, state.data.output.as_ref())?;
        (output, evaluation.assigned(state.assign.as_ref(), &filtered, Extras::default())?)
    };
    let next = step::next_of(deciding, frame)?;
    step::exit(deciding, frame, output, assigned, next)
}

fn seconds_to_wait(evaluation: &Evaluation<'_>, seconds: &Operand<u64>, input: &Value) -> Result<i64, Fault> {
    let Operand::Path(path) = seconds else {
        let seconds = evaluation.whole_number(seconds, "Seconds", input, 0)?;
        return Ok(i64::try_from(seconds).unwrap_or(i64::MAX));
    };
    let path_text = path.text();
    let Ok(value) = evaluation.expression(path, "SecondsPath", input) else {
        return Err(
            evaluation.runtime(format!("The SecondsPath parameter does not reference an input value: {path_text}"))
        );
    };
    match whole(&value) {
        Some(seconds) if seconds >= 0 => Ok(seconds),
        Some(_) => {
            let value = bare(&value);
            Err(evaluation
                .runtime(format!("The SecondsPath parameter references a negative value: {path_text} == {value}")))
        }
        None => {
            let value = bare(&value);
            Err(evaluation
                .runtime(format!("The SecondsPath parameter cannot be parsed as a long value: {path_text} == {value}")))
        }
    }
}

fn moment(evaluation: &Evaluation<'_>, timestamp: &Operand<String>, input: &Value) -> Result<Timestamp, Fault> {
    match timestamp {
        Operand::Literal(text) => parse_timestamp(text)
            .ok_or_else(|| evaluation.runtime(format!("The Timestamp field is not a valid date-time: {text}"))),
        Operand::Path(path) => {
            let path_text = path.text();
            let Ok(value) = evaluation.expression(path, "TimestampPath", input) else {
                let cause = format!("The TimestampPath parameter does not reference an input value: {path_text}");
                return Err(evaluation.runtime(cause));
            };
            value.as_str().and_then(parse_timestamp).ok_or_else(|| {
                evaluation.runtime(format!(
                    "The TimestampPath parameter does not reference a valid ISO-8601 extended offset date-time format \
                     string: {path_text} == {}",
                    bare(&value)
                ))
            })
        }
        Operand::Jsonata(expression) => {
            let value = evaluation.expression(expression, "Timestamp", input)?;
            let Some(text) = value.as_str() else {
                return Err(evaluation.unexpected_type(expression, "Timestamp", "string", &value));
            };
            parse_timestamp(text).ok_or_else(|| {
                evaluation.query_failure(
                    format!(
                        "The Timestamp field cannot be parsed as an ISO-8601 extended offset date-time format string: \
                         {text}"
                    ),
                    Some("Timestamp".to_owned()),
                )
            })
        }
    }
}

/// An ISO 8601 date-time with `T` and an offset; chrono alone would take a blank or small letters.
fn parse_timestamp(text: &str) -> Option<Timestamp> {
    if text.as_bytes().get(10) != Some(&b'T') || text.ends_with('z') {
        return None;
    }
    let moment = DateTime::parse_from_rfc3339(text).ok()?;
    // Rounded up: a wait must not end before its moment.
    let millis = moment.timestamp_millis() + i64::from(moment.timestamp_subsec_nanos() % 1_000_000 != 0);
    Some(Timestamp::from_millis(millis))
}

#[cfg(test)]
mod tests {
    use super::parse_timestamp;

    #[test]
    fn only_date_times_with_t_and_an_offset_are_moments() {
        let cases = [
            ("2016-03-14T01:59:00Z", Some(1_457_920_740_000)),
            ("2016-03-14T01:59:00.5Z", Some(1_457_920_740_500)),
            ("2016-03-14T01:59:00.243167252Z", Some(1_457_920_740_244)),
            ("2016-03-14T03:59:00+02:00", Some(1_457_920_740_000)),
            ("2016-03-14 01:59:00Z", None),
            ("2016-03-14t01:59:00Z", None),
            ("2016-03-14T01:59:00z", None),
            ("2016-03-14T01:59:00", None),
            ("2016-13-14T01:59:00Z", None),
            ("05-12-2016T21:29:29Z", None),
            ("", None),
        ];
        for (text, millis) in cases {
            assert_eq!(parse_timestamp(text).map(|moment| moment.millis()), millis, "{text}");
        }
    }
}
