//! E-commerce: raw CSV → bronze → silver → four gold tables, with quality checks, file status and maintenance.
//!
//! | job | reads | writes |
//! |---|---|---|
//! | `ecommerce-bronze --table` | `raw/<table>/*.csv[.gz]` | Delta `bronze/<table>`, files moved by their status |
//! | `ecommerce-silver --table` | `bronze/…` | Delta `silver/<table>`, `rejected/<table>` |
//! | `daily-sales`, `product-performance`, `department-analytics`, `customer-insights` | `silver/…` | Delta `gold/<table>`, `gold/<table>/_dq/<run>.json` |
//! | `ecommerce-catalog` | all Delta tables | the catalog |
//! | `ecommerce-maintenance` | all Delta tables | compacted, Z-ordered, vacuumed |
//!
//! The function `ecommerce-outcome` tells the ledger whether the gold jobs of a run had anything to do.
//!
//! Source: pipelines.md 5.

mod argument;
mod bronze;
mod catalog;
mod gold;
mod maintenance;
mod outcome;
mod quality;
mod raw_file;
mod settings;
mod silver;
mod table;
mod window;

pub(crate) use bronze::BRONZE;
pub(crate) use catalog::CATALOG;
pub(crate) use gold::{CUSTOMER_INSIGHTS, DAILY_SALES, DEPARTMENT_ANALYTICS, PRODUCT_PERFORMANCE};
pub(crate) use maintenance::MAINTENANCE;
pub(crate) use outcome::OUTCOME;
pub(crate) use silver::SILVER;
