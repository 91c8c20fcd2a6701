//! What Spark needs to run our statements: the `sw_` functions in its words.
//!
//! Statements use the SQL that DataFusion and Spark share; what they do not share goes through the `sw_` functions. On
//! Spark a call is replaced by an expression over functions every Spark Connect server has, so that nothing has to be
//! installed or registered there (not every server knows SQL functions). The session is in UTC and not in ANSI mode.
//!
//! Where the expressions differ from ours, at the far ends:
//! - `sw_round` and `sw_text_f64` are exact for numbers between 1e-9 and 1e15 and for 0, which is all money and all counts;
//! - `sw_parse_number` takes every letter for text but an exponent's `e` between digits, ours reads `1e5e3` as no number.

/// The names of the functions, and how many arguments they take at least and at most.
pub const FUNCTIONS: &[(&str, usize, usize)] = &[
    ("sw_label", 1, 1),
    ("sw_round", 2, 2),
    ("sw_days", 1, 1),
    ("sw_distinct", 1, 1),
    ("sw_distinct_least", 1, 1),
    ("sw_row_hash", 1, usize::MAX),
    ("sw_stand_in", 1, 1),
    ("sw_text_f64", 1, 1),
    ("sw_text_ts", 1, 1),
    ("sw_parse_number", 1, 1),
    ("sw_parse_ts", 1, 1),
];

/// The expression of Spark for a call, with arguments in Spark's words; `None` if there is no such function with so many
/// arguments.
pub fn spark_expression(function: &str, arguments: &[String]) -> Option<String> {
    Some(match (function, arguments) {
        ("sw_label", [x]) => format!("nullif({}, '')", trimmed(x)),
        ("sw_round", [x, n]) => round(x, n),
        ("sw_days", [x]) => format!("unix_date({x})"),
        ("sw_distinct" | "sw_distinct_least", [x]) => format!("count(distinct {x})"),
        ("sw_row_hash", [_, ..]) => row_hash(arguments),
        // What is kept here may be computed again there, so the key stands for itself.
        ("sw_stand_in", [x]) => x.clone(),
        ("sw_text_f64", [x]) => text_of_number(x),
        ("sw_text_ts", [x]) => {
            trimmed_fraction(&format!("date_format({x}, 'yyyy-MM-dd HH:mm:ss.SSSSSS')"), "'[.]$', ''")
        }
        ("sw_parse_number", [x]) => parse_number(x),
        ("sw_parse_ts", [x]) => parse_instant(x),
        _ => return None,
    })
}

/// None of the parts is null: `concat_ws` would leave it out.
fn row_hash(texts: &[String]) -> String {
    let texts: Vec<String> = texts.iter().map(|text| format!("coalesce({text}, '')")).collect();
    format!("md5(concat_ws('||', {}))", texts.join(", "))
}

/// By way of the shortest text that reads back as the number, so that halves are those a person sees; and back by way of text,
/// because not every server makes the nearest number of a decimal.
fn round(x: &str, n: &str) -> String {
    let x = format!("cast({x} as double)");
    format!(
        "case when abs({x}) < double('infinity') then \
         coalesce(cast(cast(round({}, {n}) as string) as double), round({x}, {n})) end",
        decimal(&x)
    )
}

/// Every digit of a number from 1e-5 to 1e16; null where it has none such.
fn decimal(x: &str) -> String {
    format!("try_cast(cast({x} as string) as decimal(38, 22))")
}

fn text_of_number(x: &str) -> String {
    let x = format!("cast({x} as double)");
    // Some servers write small and large numbers with an exponent, which others do not read as a decimal.
    let digits = format!(
        "coalesce(cast({} as string), \
         case when abs({x}) < 1 then cast(try_cast({x} as decimal(38, 22)) as string) end, \
         cast(try_cast({x} as decimal(38, 3)) as string), cast({x} as string))",
        decimal(&x)
    );
    format!(
        "case when {x} = 0 then cast({x} as string) when abs({x}) < double('infinity') then {} end",
        trimmed_fraction(&digits, "'[.]$', '.0'")
    )
}

/// Without the zeros at the end, and with what is left of the point replaced.
fn trimmed_fraction(text: &str, point: &str) -> String {
    format!("regexp_replace(regexp_replace({text}, '0+$', ''), {point})")
}

/// Without white space at the ends; `trim` knows spaces only.
fn trimmed(text: &str) -> String {
    let blank = r"[\\s\\p{Z}]+";
    format!("regexp_replace({text}, '^{blank}|{blank}$', '')")
}

fn parse_number(x: &str) -> String {
    let text = trimmed(&format!("cast({x} as string)"));
    // An exponent is marked before letters are dropped, and unmarked after.
    let text = format!("translate({text}, '\u{2212}', '-')");
    let text = format!("regexp_replace({text}, '([0-9.])[eE]([+-]?[0-9])', '$1\u{1}$2')");
    let dropped = "[\\\\p{L}\\\\p{Sc}\\\\s\\\\p{Z},\\'\u{2019}_]";
    let text = format!("regexp_replace({text}, '{dropped}', '')");
    let text = format!("translate({text}, '\u{1}', 'e')");
    // An accountant's bracket is a minus.
    let text = format!("regexp_replace({text}, '^[(](.*)[)]$', '-$1')");
    let number =
        format!("try_cast(regexp_extract({text}, '^[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)(e[+-]?[0-9]+)?$', 0) as double)");
    format!("case when abs({number}) < double('infinity') then {number} end")
}

fn parse_instant(x: &str) -> String {
    let text = format!("upper({})", trimmed(&format!("cast({x} as string)")));
    let text = format!("translate({text}, ',', '.')");
    // Minutes alone get their seconds, digits beyond microseconds are cut off.
    let text = format!("regexp_replace({text}, '^(.{{10}}[T ][0-9]{{2}}:[0-9]{{2}})( ?(Z|[+-].*))?$', '$1:00$2')");
    let text = format!("regexp_replace({text}, '([.][0-9]{{6}})[0-9]+', '$1')");
    let text = format!("regexp_replace({text}, ' (Z|[+-][0-9:]+)$', '$1')");
    let shape =
        "^[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]+)?(Z|[+-][0-9]{2}(:?[0-9]{2})?)?)?$";
    let instant = format!("try_cast(nullif(regexp_extract({text}, '{shape}', 0), '') as timestamp)");
    // An offset may lead out of the years that dates are written with.
    format!("case when year({instant}) between 1 and 9999 then {instant} end")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::function;

    #[test]
    fn every_function_has_its_twin() {
        let others = [function::stand_in().name().to_owned(), function::distinct().name().to_owned()];
        for name in function::all().iter().map(|function| function.name().to_owned()).chain(others) {
            let known = FUNCTIONS.iter().find(|(known, ..)| *known == name);
            let Some((_, least, most)) = known else {
                assert!([function::FINITE, function::IN_UTC].contains(&name.as_str()), "{name} has no twin");
                continue;
            };
            for count in 0..12 {
                let is_known = spark_expression(&name, &vec!["x".to_owned(); count]).is_some();
                assert_eq!(is_known, (*least..=*most).contains(&count), "{name} of {count}");
            }
        }
    }
}
