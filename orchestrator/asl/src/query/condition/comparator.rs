//! The comparators of JSONPath rules.

use std::cmp::Ordering;

use chrono::{DateTime, FixedOffset};
use serde_json::Value;

use super::reference;
use crate::query::path::Path;
use crate::query::{Data, EvalError, number};

/// What a rule compares its `Variable` with.
#[derive(Clone, Debug)]
pub(super) enum Comparator {
    /// `StringEquals`, `NumericLessThanPath`, ...
    Compare(Kind, Relation, Operand),
    /// `StringMatches`.
    StringMatches(Vec<Glob>),
    /// `IsNull`, ...; the operand says whether the variable is to be of the type.
    Is(Type, bool),
    /// `IsPresent`.
    IsPresent(bool),
}

/// The right-hand side.
#[derive(Clone, Debug)]
pub(super) enum Operand {
    /// Written in the rule.
    Literal(Value),
    /// `…Path`.
    Path(Path),
}

/// What is compared; anything of another type is a mismatch, which is false and never an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// By code units.
    String,
    /// By value: 1 equals 1.0.
    Numeric,
    /// Only `BooleanEquals` exists.
    Boolean,
    /// By instant, zones honoured.
    Timestamp,
}

/// How the two sides must stand to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Relation {
    /// `…Equals`.
    Equals,
    /// `…LessThan`.
    LessThan,
    /// `…GreaterThan`.
    GreaterThan,
    /// `…LessThanEquals`.
    LessThanEquals,
    /// `…GreaterThanEquals`.
    GreaterThanEquals,
}

/// What `Is…` asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    /// `IsNull`.
    Null,
    /// `IsNumeric`.
    Numeric,
    /// `IsString`.
    String,
    /// `IsBoolean`.
    Boolean,
    /// `IsTimestamp`.
    Timestamp,
}

/// A piece of the pattern of `StringMatches`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Glob {
    /// This character.
    Char(char),
    /// `*`: any run of characters.
    Any,
}

impl Comparator {
    /// The `…Path` operand.
    pub(super) fn path(&self) -> Option<&Path> {
        match self {
            Self::Compare(_, _, Operand::Path(path)) => Some(path),
            _ => None,
        }
    }

    pub(super) fn holds(&self, variable: &Value, data: &Data<'_>) -> Result<bool, EvalError> {
        match self {
            Self::Compare(kind, relation, Operand::Literal(operand)) => {
                Ok(relation.holds(kind.order(variable, operand)))
            }
            Self::Compare(kind, relation, Operand::Path(path)) => {
                Ok(relation.holds(kind.order(variable, &reference(path, data)?)))
            }
            Self::StringMatches(pattern) => Ok(variable.as_str().is_some_and(|text| matches(pattern, text))),
            Self::Is(ty, expected) => Ok(ty.is(variable) == *expected),
            // A path that leads here leads somewhere.
            Self::IsPresent(expected) => Ok(*expected),
        }
    }
}

impl Kind {
    /// The order of two values of this kind; `None` if one is of another kind.
    pub(super) fn order(self, left: &Value, right: &Value) -> Option<Ordering> {
        match self {
            // The order of UTF-8 bytes is that of code points; Java's differs above U+FFFF only.
            Self::String => Some(left.as_str()?.cmp(right.as_str()?)),
            Self::Numeric => number::compare(left.as_number()?, right.as_number()?),
            Self::Boolean => Some(left.as_bool()?.cmp(&right.as_bool()?)),
            Self::Timestamp => Some(timestamp(left.as_str()?)?.cmp(&timestamp(right.as_str()?)?)),
        }
    }
}

impl Relation {
    fn holds(self, order: Option<Ordering>) -> bool {
        order.is_some_and(|order| match self {
            Self::Equals => order.is_eq(),
            Self::LessThan => order.is_lt(),
            Self::GreaterThan => order.is_gt(),
            Self::LessThanEquals => order.is_le(),
            Self::GreaterThanEquals => order.is_ge(),
        })
    }
}

impl Type {
    fn is(self, value: &Value) -> bool {
        match self {
            Self::Null => value.is_null(),
            Self::Numeric => value.is_number(),
            Self::String => value.is_string(),
            Self::Boolean => value.is_boolean(),
            Self::Timestamp => value.as_str().and_then(timestamp).is_some(),
        }
    }
}

/// Reads an RFC 3339 timestamp with upper-case `T` and `Z`, as the Amazon States Language wants it.
pub(super) fn timestamp(text: &str) -> Option<DateTime<FixedOffset>> {
    let is_strict = text.as_bytes().get(10) == Some(&b'T') && !text.ends_with('z');
    is_strict.then(|| DateTime::parse_from_rfc3339(text).ok()).flatten()
}

/// Reads a pattern: `*` is any run, `\*` a star, `\\` a backslash; another escape is an error.
pub(super) fn pattern(text: &str) -> Option<Vec<Glob>> {
    let mut pattern = Vec::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        pattern.push(match c {
            '*' => Glob::Any,
            '\\' => Glob::Char(chars.next().filter(|c| *c == '*' || *c == '\\')?),
            c => Glob::Char(c),
        });
    }
    Some(pattern)
}

/// Goes back to the last `*` only, so that it takes at most length × length steps.
fn matches(pattern: &[Glob], text: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(Glob::Char(c)) if *c == text[t] => {
                p += 1;
                t += 1;
            }
            Some(Glob::Any) => {
                star = Some((p, t));
                p += 1;
            }
            _ => match &mut star {
                Some((at, taken)) => {
                    *taken += 1;
                    p = *at + 1;
                    t = *taken;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|glob| *glob == Glob::Any)
}
