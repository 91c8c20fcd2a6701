//! Our statements in Spark's words.
//!
//! What differs is small: texts and names are quoted in another way, and the `sw_` functions are expressions there
//! ([`dialect`]). So the statement is taken apart into its tokens, not into its meaning, and everything else stays as it is.

use std::iter::Peekable;
use std::vec::IntoIter;

use deltalake::datafusion::sql::sqlparser::dialect::GenericDialect;
use deltalake::datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer, Whitespace};

use super::super::dialect;
use super::super::first_line;
use crate::job::{Code, JobError};

type Tokens = Peekable<IntoIter<Token>>;

/// The statement as Spark takes it.
///
/// # Errors
/// `UNEXPECTED_ERROR` if it cannot be taken apart, or calls a function of ours that is not known there.
pub(super) fn statement(sql: &str) -> Result<String, JobError> {
    let refuse = |reason: String| {
        let message = format!("the statement `{}` cannot be put into Spark's words: {reason}", first_line(sql));
        JobError::new(Code::UnexpectedError, message)
    };
    let tokens = Tokenizer::new(&GenericDialect {}, sql).tokenize().map_err(|error| refuse(error.to_string()))?;
    let mut tokens = tokens.into_iter().peekable();
    let (text, _) = until(&mut tokens, false).map_err(refuse)?;
    Ok(text)
}

/// A text as a literal.
pub(super) fn text(value: &str) -> String {
    format!("'{}'", value.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// A name, quoted.
pub(super) fn name(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// What ended a piece of a statement.
#[derive(PartialEq)]
enum End {
    Comma,
    Bracket,
    Statement,
}

/// The text up to the end of the statement or, in an argument, to the comma or bracket that ends it.
fn until(tokens: &mut Tokens, argument: bool) -> Result<(String, End), String> {
    let mut whole = String::new();
    let mut depth = 0_usize;
    while let Some(token) = tokens.next() {
        match token {
            Token::LParen => depth += 1,
            Token::RParen if depth == 0 && argument => return Ok((whole, End::Bracket)),
            Token::RParen => depth = depth.saturating_sub(1),
            Token::Comma if depth == 0 && argument => return Ok((whole, End::Comma)),
            _ => {}
        }
        match token {
            Token::SingleQuotedString(value) => whole += &text(&value),
            Token::Word(word) if word.quote_style == Some('"') => whole += &name(&word.value),
            Token::Word(word) if word.quote_style.is_none() && word.value.starts_with("sw_") => {
                whole += &call(&word.value, tokens)?;
            }
            Token::Whitespace(Whitespace::SingleLineComment { .. }) => whole.push('\n'),
            Token::Whitespace(Whitespace::MultiLineComment(_)) => whole.push(' '),
            token => whole += &token.to_string(),
        }
    }
    if argument { Err("a bracket is not closed".to_owned()) } else { Ok((whole, End::Statement)) }
}

/// The expression for a call of one of our functions, from its opening bracket on.
fn call(function: &str, tokens: &mut Tokens) -> Result<String, String> {
    // A column may be called like that.
    if tokens.peek() != Some(&Token::LParen) {
        return Ok(function.to_owned());
    }
    tokens.next();
    let mut arguments = Vec::new();
    loop {
        let (argument, end) = until(tokens, true)?;
        arguments.push(format!("({})", argument.trim()));
        if end == End::Bracket {
            break;
        }
    }
    let expression = dialect::spark_expression(function, &arguments);
    let expression = expression.ok_or_else(|| format!("{function} does not take {} arguments", arguments.len()))?;
    Ok(format!("({expression})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_names_and_comments_are_put_into_sparks_words() {
        for (ours, sparks) in [
            ("select 'it''s', 'a\\b', \"a b\" -- why\nfrom t", "select 'it\\'s', 'a\\\\b', `a b` \nfrom t"),
            ("select '--', '/*', x /* y */ from t", "select '--', '/*', x   from t"),
            ("select a || '||' || b, -1, 1.5e3 <> 2", "select a || '||' || b, -1, 1.5e3 <> 2"),
            ("select sw_days from t", "select sw_days from t"),
            ("select sw_days(max(date)) from t", "select (unix_date((max(date)))) from t"),
        ] {
            assert_eq!(statement(ours).unwrap(), sparks);
        }
    }

    #[test]
    fn calls_may_stand_in_calls_and_keep_their_commas() {
        let sparks = statement("select sw_days(cast(sw_parse_ts(concat('(', a, ',')) as date)), b").unwrap();
        assert!(!sparks.contains("sw_") && sparks.contains("concat('(', a, ',')"), "{sparks}");
        assert!(sparks.starts_with("select (unix_date(") && sparks.ends_with(", b"), "{sparks}");
    }

    #[test]
    fn what_cannot_be_translated_is_named() {
        for (ours, part) in [
            ("select sw_days(a, b)", "sw_days does not take 2"),
            ("select sw_days(a", "not closed"),
            ("select 'a", "`select 'a`"),
        ] {
            let error = statement(ours).unwrap_err();
            assert!(error.message.contains(part), "{error}");
        }
    }
}
