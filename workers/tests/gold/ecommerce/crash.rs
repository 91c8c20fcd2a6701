//! A crash before any write of any job leaves old or new, and a rerun ends as if nothing had happened.

use workers::lake::CrashPoint;

use super::*;

const ORDERS: [&str; 3] = ["1,7,10,2025-04-01", "2,8,20,2025-04-01", "3,8,30,2025-04-02"];
const ITEMS: [&str; 3] = ["1,1,1,1,2025-04-01", "2,2,2,0,2025-04-01", "3,3,1,1,2025-04-02"];
const OWNER: &str = "--lock_owner=task-1";

/// A shop with gold tables, and a delivery that is not in them yet.
async fn shop() -> World {
    let world = small_world(&ORDERS, &ITEMS).await;
    for job in ["daily-sales", "product-performance", "department-analytics", "customer-insights"] {
        expect(&gold(&world.lake, job, "2025-04-02", &[]).await, "OK", 0);
    }
    deliver(&world.lake, "orders", "b.csv", orders_csv(&["1,7,11,2025-04-02", "4,9,5,2025-04-02", "5,9,0,2025-04-02"]))
        .await;
    deliver(&world.lake, "order_items", "b.csv", items_csv(&["4,4,1,1,2025-04-02", "5,5,1,1,2025-04-02"])).await;
    world
}

/// Crashes `job` before each of its writes, from the state `prepare` leaves; `table` is old or new then, and new after a
/// second run.
async fn every_crash(job: &str, line: &[&str], table: &str, key: &str, prepared: usize) {
    let first = prepare(prepared).await;
    let calm = copy_of(&first).await;
    let old = rows(&calm.lake, table, key).await;
    let counting = calm.lake.with_crash_point(CrashPoint::fail_at(0));
    let line: Vec<&str> = [line, &[BUCKET, OWNER]].concat();
    expect(&run(&counting, job, &line).await, "OK", 0);
    let new = rows(&calm.lake, table, key).await;
    assert_ne!(old, new, "{job} changes {table}");
    // The last write gives the lock back, after the result is certain.
    let writes = counting.write_count() - 1;
    assert!(writes >= 4, "{job}: {writes} writes");
    for write in 1..=writes {
        let case = format!("{job}, crash at write {write} of {writes}");
        let world = copy_of(&first).await;
        let crashing = world.lake.with_crash_point(CrashPoint::fail_at(write));
        let crashed = run(&crashing, job, &line).await;
        assert_eq!(crashed.exit_status(), 1, "{case}: {}", crashed.message);
        let seen = rows(&world.lake, table, key).await;
        assert!(seen == old || seen == new, "{case}: {seen:#?}");
        let again = run(&world.lake, job, &line).await;
        assert_eq!(again.exit_status(), 0, "{case}: {}", again.message);
        assert_eq!(rows(&world.lake, table, key).await, new, "{case}");
        if job == "ecommerce-bronze" {
            assert_eq!(names(&world.lake, "raw/processing").await, [""; 0], "{case}: nothing is left behind");
        }
    }
}

/// The same lake at another place.
async fn copy_of(world: &World) -> World {
    let copy = World::new().await;
    let (from, to) = (folder(&world.lake, ""), folder(&copy.lake, ""));
    for object in from.objects().await.unwrap() {
        to.put(&object.name, from.get(&object.name).await.unwrap()).await.unwrap();
    }
    copy
}

/// A shop of which the first `steps` of bronze and silver have taken the delivery in.
async fn prepare(steps: usize) -> World {
    let world = shop().await;
    for step in 0..steps {
        let result = match step {
            0 => bronze(&world.lake, "orders").await,
            1 => bronze(&world.lake, "order_items").await,
            2 => silver(&world.lake, "orders").await,
            _ => silver(&world.lake, "order_items").await,
        };
        expect(&result, "OK", 0);
    }
    world
}

#[tokio::test]
async fn bronze_takes_a_file_in_once_whenever_it_crashes() {
    every_crash("ecommerce-bronze", &["--table=orders"], "bronze/orders", "bronze_source_file, row_number", 0).await;
}

#[tokio::test]
async fn silver_is_old_or_new_whenever_it_crashes() {
    every_crash("ecommerce-silver", &["--table=orders"], "silver/orders", "order_id", 2).await;
}

#[tokio::test]
async fn refused_items_are_there_once_whenever_silver_crashes() {
    every_crash("ecommerce-silver", &["--table=order_items"], "rejected/order_items", "id", 3).await;
}

#[tokio::test]
async fn a_window_is_old_or_new_whenever_its_replacement_crashes() {
    every_crash("daily-sales", &["--date=2025-04-02", "--days-back=1"], "gold/daily_sales", "date", 4).await;
}

#[tokio::test]
async fn a_table_is_old_or_new_whenever_its_replacement_crashes() {
    every_crash("customer-insights", &["--date=2025-04-02"], "gold/customer_insights", "user_id", 4).await;
}
