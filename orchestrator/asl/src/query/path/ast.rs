//! What a path is once it has been read.

use serde_json::Value;

/// What `$` stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Root {
    /// `$`: the value the field is evaluated on.
    Input,
    /// `$$`: the context object.
    Context,
    /// `$name`: a variable.
    Variable(String),
}

/// One step of a path.
#[derive(Clone, Debug)]
pub(crate) enum Selector {
    /// `.a`, `['a']`, `['a', 'b']`.
    Names(Vec<String>),
    /// `[0]`, `[-1]`, `[0, 2]`.
    Indexes(Vec<i64>),
    /// `[start:end:step]`.
    Slice {
        /// First index; negative counts from the end.
        start: Option<i64>,
        /// Index after the last; negative counts from the end.
        end: Option<i64>,
        /// Positive.
        step: usize,
    },
    /// `.*`, `[*]`.
    Wildcard,
    /// `..`: the value itself and everything below; another selector follows.
    Descendants,
    /// `[?(...)]`.
    Filter(Box<Filter>),
}

/// The test in `[?(...)]`.
#[derive(Clone, Debug)]
pub(crate) enum Filter {
    /// `a || b`.
    Or(Vec<Filter>),
    /// `a && b`.
    And(Vec<Filter>),
    /// `!a`.
    Not(Box<Filter>),
    /// `@.a`: whether it is there.
    Exists(FilterPath),
    /// `a == b` and its like.
    Compare(Operand, Comparison, Operand),
    /// `a =~ /…/`: the whole text must match.
    Matches(Operand, regex::Regex),
}

/// An operator between two operands of a filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    /// `==`.
    Equal,
    /// `!=`.
    NotEqual,
    /// `<`.
    Less,
    /// `<=`.
    LessEqual,
    /// `>`.
    Greater,
    /// `>=`.
    GreaterEqual,
    /// `in`: the left is an element of the right.
    In,
    /// `nin`.
    NotIn,
    /// `contains`: the right is an element or a part of the left.
    Contains,
    /// `size`: the left has as many elements or characters as the right says.
    Size,
    /// `empty`: whether the left is an empty array or text is what the right says.
    Empty,
    /// `subsetof`.
    SubsetOf,
    /// `anyof`.
    AnyOf,
    /// `noneof`.
    NoneOf,
}

/// One side of a comparison.
#[derive(Clone, Debug)]
pub(crate) enum Operand {
    /// A text, number, `true`, `false`, `null`, `[…]` or `{…}`.
    Literal(Value),
    /// `@…` or `$…`.
    Path(FilterPath),
}

/// A path inside a filter.
#[derive(Clone, Debug)]
pub(crate) struct FilterPath {
    /// Whether it starts at `@`, the element under test, rather than at `$`.
    pub(crate) relative: bool,
    /// Its steps.
    pub(crate) selectors: Vec<Selector>,
}

/// Whether the steps lead to at most one value.
///
/// Several names at the end are one object with these members, as in Jayway's JsonPath, which AWS uses.
pub(crate) fn is_definite(selectors: &[Selector]) -> bool {
    selectors.iter().enumerate().all(|(at, selector)| match selector {
        Selector::Names(names) => names.len() == 1 || at + 1 == selectors.len(),
        Selector::Indexes(indexes) => indexes.len() == 1,
        _ => false,
    })
}

/// The canonical text that AWS's messages show: `$['a'][0]`.
pub(crate) fn canonical(selectors: &[Selector]) -> String {
    let mut text = String::from("$");
    for selector in selectors {
        text.push_str(&fragment(selector));
    }
    text
}

/// The canonical text of one step.
pub(crate) fn fragment(selector: &Selector) -> String {
    let bound = |index: Option<i64>| index.map(|index| index.to_string()).unwrap_or_default();
    match selector {
        Selector::Names(names) => {
            let names: Vec<String> = names.iter().map(|name| format!("'{name}'")).collect();
            format!("[{}]", names.join(","))
        }
        Selector::Indexes(indexes) => {
            let indexes: Vec<String> = indexes.iter().map(i64::to_string).collect();
            format!("[{}]", indexes.join(","))
        }
        Selector::Slice { start, end, step: 1 } => format!("[{}:{}]", bound(*start), bound(*end)),
        Selector::Slice { start, end, step } => format!("[{}:{}:{step}]", bound(*start), bound(*end)),
        Selector::Wildcard => "[*]".to_owned(),
        Selector::Descendants => "..".to_owned(),
        Selector::Filter(_) => "[?]".to_owned(),
    }
}
