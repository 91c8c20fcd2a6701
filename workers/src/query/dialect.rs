//! What Spark needs to run our statements: the same functions under the same names.
//!
//! Statements use the SQL that DataFusion and Spark share; what they do not share goes through the `sw_` functions. A Spark
//! session runs these statements first (Spark 4: temporary SQL functions), then the files of `jobs/<system>/sql/`, with
//! parameters filled in as [`super::Query`] does. Nothing here runs on this machine; that the results are equal is for
//! whoever binds a job to Spark to compare, table for table.

/// Statements that define the `sw_` functions in a Spark session (`spark.sql.session.timeZone` = `UTC`).
///
/// `sw_text_f64` has at most 18 decimals there, enough for any amount of money and for what hashes are made of.
pub const SPARK_FUNCTIONS: &[&str] = &[
    r"create or replace temporary function sw_round(x double, n int) returns double
      return case when isnan(x) or abs(x) = double('infinity') then null else round(x, n) end",
    r"create or replace temporary function sw_text_f64(x double) returns string
      return case when isnan(x) or abs(x) = double('infinity') then null
             else regexp_replace(regexp_replace(cast(cast(x as decimal(38, 18)) as string), '0+$', ''), '[.]$', '.0') end",
    r"create or replace temporary function sw_text_ts(x timestamp) returns string
      return regexp_replace(regexp_replace(date_format(x, 'yyyy-MM-dd HH:mm:ss.SSSSSS'), '0+$', ''), '[.]$', '')",
    r"create or replace temporary function sw_parse_number(x string) returns double
      return case when trim(x) rlike '^[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][+-]?[0-9]+)?$' then try_cast(trim(x) as double)
             when trim(x) like '(%)' then - try_cast(regexp_replace(x, '[^0-9.+-]', '') as double)
             else try_cast(regexp_replace(x, '[\\p{Sc}\\p{L}\\s,\'_]', '') as double) end",
    r"create or replace temporary function sw_parse_ts(x string) returns timestamp
      return case when trim(x) rlike '^[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.,][0-9]+)?)?( ?(Z|[+-][0-9]{2}(:?[0-9]{2})?))?)?$'
             then try_cast(trim(x) as timestamp) end",
];

#[cfg(test)]
mod tests {
    use super::SPARK_FUNCTIONS;
    use crate::query::function;

    #[test]
    fn every_function_has_its_twin() {
        for function in function::all() {
            let name = function.name().to_owned();
            let defined = SPARK_FUNCTIONS.iter().filter(|text| text.contains(&format!("function {name}("))).count();
            assert_eq!(defined, usize::from(name != function::FINITE), "{name}");
        }
    }
}
