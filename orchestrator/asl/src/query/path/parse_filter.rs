//! Text to filter.

use serde_json::Value;

use super::ast::{Comparison, Filter, FilterPath, Operand};
use super::cursor::Cursor;
use super::parse;

/// Longest first, so that `<` does not hide `<=`.
const OPERATORS: [(&str, Comparison); 8] = [
    ("===", Comparison::Equal),
    ("!==", Comparison::NotEqual),
    ("==", Comparison::Equal),
    ("!=", Comparison::NotEqual),
    ("<=", Comparison::LessEqual),
    (">=", Comparison::GreaterEqual),
    ("<", Comparison::Less),
    (">", Comparison::Greater),
];

const WORDS: [(&str, Comparison); 8] = [
    ("in", Comparison::In),
    ("nin", Comparison::NotIn),
    ("contains", Comparison::Contains),
    ("size", Comparison::Size),
    ("empty", Comparison::Empty),
    ("subsetof", Comparison::SubsetOf),
    ("anyof", Comparison::AnyOf),
    ("noneof", Comparison::NoneOf),
];

/// Reads `a || b`.
pub(super) fn filter(cursor: &mut Cursor<'_>, nesting: usize) -> Result<Filter, String> {
    let mut any = chain(cursor, nesting)?;
    if any.len() == 1 { Ok(any.remove(0)) } else { Ok(Filter::Or(any)) }
}

fn chain(cursor: &mut Cursor<'_>, nesting: usize) -> Result<Vec<Filter>, String> {
    let nesting = nesting.checked_sub(1).ok_or("The filter is nested too deeply")?;
    let mut any = Vec::new();
    loop {
        let mut all = vec![term(cursor, nesting)?];
        while cursor.eat("&&") {
            all.push(term(cursor, nesting)?);
        }
        any.push(if all.len() == 1 { all.remove(0) } else { Filter::And(all) });
        if !cursor.eat("||") {
            return Ok(any);
        }
    }
}

fn term(cursor: &mut Cursor<'_>, nesting: usize) -> Result<Filter, String> {
    cursor.skip_blanks();
    let filter = if cursor.eat("!") {
        let nesting = nesting.checked_sub(1).ok_or("The filter is nested too deeply")?;
        Filter::Not(Box::new(term(cursor, nesting)?))
    } else if cursor.eat("(") {
        let inner = filter(cursor, nesting)?;
        if !cursor.eat(")") {
            return Err("A ')' is missing in the filter".to_owned());
        }
        inner
    } else {
        comparison(cursor, nesting)?
    };
    cursor.skip_blanks();
    Ok(filter)
}

fn comparison(cursor: &mut Cursor<'_>, nesting: usize) -> Result<Filter, String> {
    let left = operand(cursor, nesting)?;
    cursor.skip_blanks();
    if cursor.eat("=~") {
        cursor.skip_blanks();
        return Ok(Filter::Matches(left, pattern(cursor)?));
    }
    let symbol = OPERATORS.iter().find(|(text, _)| cursor.eat(text));
    let operator = symbol.or_else(|| WORDS.iter().find(|(text, _)| cursor.eat_word(text)));
    match (operator, left) {
        (Some((_, operator)), left) => {
            cursor.skip_blanks();
            Ok(Filter::Compare(left, *operator, operand(cursor, nesting)?))
        }
        (None, Operand::Path(path)) => Ok(Filter::Exists(path)),
        (None, Operand::Literal(_)) => Err("A filter must compare something".to_owned()),
    }
}

fn operand(cursor: &mut Cursor<'_>, nesting: usize) -> Result<Operand, String> {
    match cursor.peek() {
        Some(root @ ('@' | '$')) => {
            cursor.next();
            let selectors = parse::selectors(cursor, nesting)?;
            Ok(Operand::Path(FilterPath { relative: root == '@', selectors }))
        }
        Some('\'' | '"') => Ok(Operand::Literal(Value::String(parse::quoted(cursor)?))),
        Some('[' | '{') => literal(cursor).map(Operand::Literal),
        _ => {
            for (word, value) in [("true", Value::Bool(true)), ("false", Value::Bool(false)), ("null", Value::Null)] {
                if cursor.eat_word(word) {
                    return Ok(Operand::Literal(value));
                }
            }
            match cursor.number() {
                Some(number) => Ok(Operand::Literal(Value::Number(number))),
                None => Err("A path, a text in quotes or a number is expected in the filter".to_owned()),
            }
        }
    }
}

/// Reads `[…]` or `{…}` as JSON, in which texts may stand in single quotes.
fn literal(cursor: &mut Cursor<'_>) -> Result<Value, String> {
    let mut json = String::new();
    let mut open = 0_usize;
    let mut look = *cursor;
    while let Some(c) = look.peek() {
        if c == '\'' || c == '"' {
            json.push_str(&Value::String(parse::quoted(&mut look)?).to_string());
            continue;
        }
        look.next();
        json.push(c);
        match c {
            '[' | '{' => open += 1,
            ']' | '}' => open = open.saturating_sub(1),
            _ => {}
        }
        if open == 0 {
            *cursor = look;
            return serde_json::from_str(&json).map_err(|_| format!("'{json}' is not JSON"));
        }
    }
    Err("A ']' or '}' is missing in the filter".to_owned())
}

/// Reads `/…/flags`; the whole text must match, as with Java's `Matcher.matches`.
fn pattern(cursor: &mut Cursor<'_>) -> Result<regex::Regex, String> {
    if !cursor.eat("/") {
        return Err("A pattern must begin with '/'".to_owned());
    }
    let mut pattern = String::new();
    loop {
        match cursor.next() {
            None => return Err("A pattern must end with '/'".to_owned()),
            Some('/') => break,
            Some('\\') if cursor.eat("/") => pattern.push('/'),
            Some('\\') => {
                pattern.push('\\');
                pattern.extend(cursor.next());
            }
            Some(c) => pattern.push(c),
        }
    }
    let flags = cursor.take_while(|c| c.is_ascii_alphabetic());
    regex::RegexBuilder::new(&format!(r"\A(?:{pattern})\z"))
        .case_insensitive(flags.contains('i'))
        .multi_line(flags.contains('m'))
        .dot_matches_new_line(flags.contains('s'))
        .ignore_whitespace(flags.contains('x'))
        .build()
        .map_err(|_| format!("'/{pattern}/' is not a pattern"))
}
