//! Text to path.

use super::ast::{Root, Selector};
use super::cursor::Cursor;
use super::parse_filter;

/// How deep filters and the brackets in them may nest; the recursion of the parser and of the evaluation is bounded by it.
pub(super) const NESTING_MAX: usize = 32;

/// Reads a whole path with its root.
pub(super) fn path(text: &str) -> Result<(Root, Vec<Selector>), String> {
    let mut cursor = Cursor::new(text);
    if !cursor.eat("$") {
        return Err("The path must begin with '$'".to_owned());
    }
    let root = match cursor.peek() {
        Some('$') => {
            cursor.next();
            Root::Context
        }
        Some(c) if c.is_alphabetic() || c == '_' => {
            Root::Variable(cursor.take_while(|c| c.is_alphanumeric() || c == '_').to_owned())
        }
        _ => Root::Input,
    };
    let selectors = selectors(&mut cursor, NESTING_MAX)?;
    match cursor.peek() {
        None => Ok((root, selectors)),
        Some(c) => Err(format!("Unexpected character '{c}' in the path")),
    }
}

/// Reads the steps after a root, as far as they go.
pub(super) fn selectors(cursor: &mut Cursor<'_>, nesting: usize) -> Result<Vec<Selector>, String> {
    let mut selectors = Vec::new();
    loop {
        if cursor.eat("..") {
            selectors.push(Selector::Descendants);
            if cursor.peek() != Some('[') {
                selectors.push(dotted(cursor)?);
            }
        } else if cursor.eat(".") {
            // `.['a']` is read like `['a']`.
            if cursor.peek() != Some('[') {
                selectors.push(dotted(cursor)?);
            }
        } else if cursor.eat("[") {
            selectors.push(bracketed(cursor, nesting)?);
        } else {
            return Ok(selectors);
        }
    }
}

fn dotted(cursor: &mut Cursor<'_>) -> Result<Selector, String> {
    if cursor.eat("*") {
        return Ok(Selector::Wildcard);
    }
    let name = cursor.take_while(|c| !(c.is_whitespace() || ".[]()*,?@'\"|&=!<>~".contains(c)));
    if name.is_empty() {
        return Err("A name or '*' must follow a period ('.')".to_owned());
    }
    if cursor.peek() == Some('(') {
        return Err(format!("The function '{name}()' is not supported in a path"));
    }
    Ok(Selector::Names(vec![name.to_owned()]))
}

fn bracketed(cursor: &mut Cursor<'_>, nesting: usize) -> Result<Selector, String> {
    cursor.skip_blanks();
    let selector = match cursor.peek() {
        Some('*') => {
            cursor.next();
            Selector::Wildcard
        }
        Some('?') => {
            cursor.next();
            cursor.skip_blanks();
            if !cursor.eat("(") {
                return Err("A filter must begin with '[?('".to_owned());
            }
            let filter = parse_filter::filter(cursor, nesting)?;
            if !cursor.eat(")") {
                return Err("A filter must end with ')]'".to_owned());
            }
            Selector::Filter(Box::new(filter))
        }
        Some('\'' | '"') => Selector::Names(separated(cursor, quoted)?),
        _ => indexes_or_slice(cursor)?,
    };
    cursor.skip_blanks();
    if !cursor.eat("]") {
        return Err("A ']' is missing in the path".to_owned());
    }
    Ok(selector)
}

fn separated<T>(cursor: &mut Cursor<'_>, one: impl Fn(&mut Cursor<'_>) -> Result<T, String>) -> Result<Vec<T>, String> {
    let mut items = Vec::new();
    loop {
        cursor.skip_blanks();
        items.push(one(cursor)?);
        cursor.skip_blanks();
        if !cursor.eat(",") {
            return Ok(items);
        }
    }
}

/// Reads a text in single or double quotes; a backslash takes the next character as it is.
pub(super) fn quoted(cursor: &mut Cursor<'_>) -> Result<String, String> {
    let quote = match cursor.next() {
        Some(quote @ ('\'' | '"')) => quote,
        _ => return Err("A name in quotes is expected between brackets".to_owned()),
    };
    let mut text = String::new();
    while let Some(c) = cursor.next() {
        match c {
            c if c == quote => return Ok(text),
            '\\' => text.extend(cursor.next()),
            c => text.push(c),
        }
    }
    Err(format!("A closing quote ({quote}) is missing in the path"))
}

fn indexes_or_slice(cursor: &mut Cursor<'_>) -> Result<Selector, String> {
    let start = index(cursor)?;
    cursor.skip_blanks();
    if !cursor.eat(":") {
        let mut indexes = vec![start.ok_or("An index, a name in quotes, '*' or '?' is expected after '['")?];
        if cursor.eat(",") {
            let more = separated(cursor, |cursor| index(cursor)?.ok_or_else(|| "An index is expected".to_owned()))?;
            indexes.extend(more);
        }
        return Ok(Selector::Indexes(indexes));
    }
    cursor.skip_blanks();
    let end = index(cursor)?;
    cursor.skip_blanks();
    let step = if cursor.eat(":") {
        cursor.skip_blanks();
        index(cursor)?.unwrap_or(1)
    } else {
        1
    };
    match usize::try_from(step) {
        Ok(step) if step > 0 => Ok(Selector::Slice { start, end, step }),
        _ => Err("The step of a slice must be positive".to_owned()),
    }
}

fn index(cursor: &mut Cursor<'_>) -> Result<Option<i64>, String> {
    let digits = cursor.take_while(|c| c == '-' || c.is_ascii_digit());
    match digits {
        "" => Ok(None),
        digits => digits.parse().map(Some).map_err(|_| format!("'{digits}' is not an index")),
    }
}
