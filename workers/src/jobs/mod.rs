//! The data jobs, by system, and the lists of what a worker offers.

mod apart;
pub mod catalog;
pub mod daily_prices;
pub mod ecommerce;
pub mod enrichment;
pub mod fact_sales;
pub mod star_schema;

use crate::job::{FunctionDefinition, JobDefinition};

/// All jobs of this binary.
pub(crate) const JOBS: &[JobDefinition] = &[
    daily_prices::COMPACTION,
    daily_prices::TRANSFORM,
    daily_prices::INDICATORS,
    catalog::CRAWLER,
    fact_sales::INGESTION,
    fact_sales::COMPACTION,
    star_schema::SILVER_TO_GOLD,
    star_schema::VERIFY,
    star_schema::SILVER_LOAD,
    enrichment::SILVER_JOB,
    enrichment::GOLD,
    enrichment::GOLD_STREAM,
    enrichment::MAINTENANCE,
    ecommerce::BRONZE,
    ecommerce::SILVER,
    ecommerce::DAILY_SALES,
    ecommerce::PRODUCT_PERFORMANCE,
    ecommerce::DEPARTMENT_ANALYTICS,
    ecommerce::CUSTOMER_INSIGHTS,
    ecommerce::CATALOG,
    ecommerce::MAINTENANCE,
];

/// Jobs whose SQL also runs on Spark: tests compare the tables of both engines, row by row.
pub(crate) const ON_SPARK: &[&str] = &[
    fact_sales::COMPACTION.name,
    ecommerce::DAILY_SALES.name,
    ecommerce::PRODUCT_PERFORMANCE.name,
    ecommerce::DEPARTMENT_ANALYTICS.name,
    ecommerce::CUSTOMER_INSIGHTS.name,
];

/// All functions of this binary.
pub(crate) const FUNCTIONS: &[FunctionDefinition] = &[
    daily_prices::PREFLIGHT,
    daily_prices::GUARD,
    daily_prices::DECIDE_CRAWLER,
    daily_prices::AGGREGATE,
    fact_sales::OUTCOME,
    star_schema::CHECK_LOCATIONS,
    enrichment::SUMMARY,
    ecommerce::OUTCOME,
];
