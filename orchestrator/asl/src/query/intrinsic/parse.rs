//! Text to call.

use serde_json::Value;

use super::text::Text;
use super::{Argument, Call, Function};
use crate::query::path::Path;
use crate::query::path::cursor::Cursor;

/// Calls in one field. Source: Step Functions developer guide, "Intrinsic functions": up to 10 nested.
const CALLS_MAX: usize = 10;

/// Reads a whole call.
pub(super) fn call(text: &str) -> Result<Call, String> {
    let mut cursor = Cursor::new(text);
    let mut calls_left = CALLS_MAX + 1;
    let call = one(&mut cursor, &mut calls_left)?;
    cursor.skip_blanks();
    match cursor.is_at_end() {
        true => Ok(call),
        false => Err(format!("Unexpected text after the call: '{}'", cursor.rest())),
    }
}

fn one(cursor: &mut Cursor<'_>, calls_left: &mut usize) -> Result<Call, String> {
    *calls_left = calls_left
        .checked_sub(1)
        .ok_or_else(|| format!("At most {CALLS_MAX} intrinsic functions can be nested in one field"))?;
    let name = cursor.take_while(|c| c.is_ascii_alphanumeric() || c == '.' || c == '_');
    let function = Function::ALL
        .into_iter()
        .find(|function| function.name() == name)
        .ok_or_else(|| format!("'{name}' is not an intrinsic function"))?;
    if !cursor.eat("(") {
        return Err(format!("A '(' is missing after {name}"));
    }
    let mut arguments = Vec::new();
    cursor.skip_blanks();
    if !cursor.eat(")") {
        loop {
            cursor.skip_blanks();
            arguments.push(argument(cursor, calls_left)?);
            cursor.skip_blanks();
            if cursor.eat(")") {
                break;
            }
            if !cursor.eat(",") {
                return Err(format!("A ',' or ')' is missing among the arguments of {name}"));
            }
        }
    }
    let (least, most) = function.arity();
    if arguments.len() < least || arguments.len() > most {
        return Err(format!("{name} does not take {} arguments", arguments.len()));
    }
    Ok(Call { function, arguments })
}

fn argument(cursor: &mut Cursor<'_>, calls_left: &mut usize) -> Result<Argument, String> {
    match cursor.peek() {
        Some('\'') => string(cursor).map(Argument::Text),
        Some('$') => {
            let path = cursor.take(path_length(cursor.rest()));
            Path::parse(path).map(Argument::Path)
        }
        Some('-' | '0'..='9') => match cursor.number() {
            Some(number) => Ok(Argument::Literal(Value::Number(number))),
            None => Err(format!("A number is expected at '{}'", cursor.rest())),
        },
        _ => {
            for (word, value) in [("true", Value::Bool(true)), ("false", Value::Bool(false)), ("null", Value::Null)] {
                if cursor.eat_word(word) {
                    return Ok(Argument::Literal(value));
                }
            }
            one(cursor, calls_left).map(Argument::Call)
        }
    }
}

/// Reads a text in single quotes. `\'`, `\{`, `\}` and `\\` are the only escapes.
fn string(cursor: &mut Cursor<'_>) -> Result<Text, String> {
    cursor.next();
    let mut text = Text { value: String::new(), holes: Some(Vec::new()) };
    loop {
        match cursor.next() {
            None => return Err("A closing quote (') is missing".to_owned()),
            Some('\'') => return Ok(text),
            Some('\\') => match cursor.next() {
                Some(c @ ('\'' | '\\' | '{' | '}')) => text.value.push(c),
                Some(c) => return Err(format!("'\\{c}' is not an escape sequence")),
                None => return Err("A closing quote (') is missing".to_owned()),
            },
            Some('{') => {
                match (&mut text.holes, cursor.peek()) {
                    (Some(holes), Some('}')) => holes.push(text.value.len()),
                    _ => text.holes = None,
                }
                text.value.push('{');
            }
            Some(c) => text.value.push(c),
        }
    }
}

/// How far a path reaches: to a comma, a closing parenthesis or a blank that is not inside brackets.
fn path_length(text: &str) -> usize {
    let mut open = 0_usize;
    let mut quote = None;
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match (quote, c) {
            _ if escaped => escaped = false,
            (Some(_), '\\') => escaped = true,
            (Some(mark), c) if c == mark => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') if open > 0 => quote = Some(c),
            (None, '[') => open += 1,
            (None, ']') => open = open.saturating_sub(1),
            (None, c) if open == 0 && (c == ',' || c == ')' || c.is_whitespace()) => return at,
            (None, _) => {}
        }
    }
    text.len()
}
