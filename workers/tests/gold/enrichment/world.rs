//! A lake of one test with raw files and lookups; jobs run in this process.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use workers::job::{JobContext, JobResult, run_job_on};
use workers::lake::delta::Delta;
use workers::lake::{Column, Folder, Lake};
use workers::query::Query;

use crate::support::{development_data, lake_of};

/// The bucket everything is in.
pub const ROOT: &str = "enrichment";
/// The gold tables, and what tells their rows apart.
pub const TABLES: [(&str, &str); 3] = [
    ("user_spend_summary", "event_date, user_id"),
    ("product_usage_metrics", "event_date, product_id"),
    ("high_risk_txns", "event_date, transaction_id, event_time, amount, user_id, product_id"),
];

/// A lake nobody else uses.
pub struct World {
    pub lake: Lake,
    pub place: tempfile::TempDir,
}

/// A made-up transaction.
#[derive(Clone)]
pub struct Txn {
    pub id: &'static str,
    pub user: Option<&'static str>,
    pub product: Option<&'static str>,
    pub plan: &'static str,
    pub amount: Value,
    pub time: Option<&'static str>,
    pub address: &'static str,
    pub currency: &'static str,
}

/// An address the made-up lookups rate high, and one they rate low.
pub const HIGH: &str = "203.0.113.1";
pub const LOW: &str = "203.0.113.2";

impl Default for Txn {
    fn default() -> Self {
        Txn {
            id: "t1",
            user: Some("U1"),
            product: Some("P1"),
            plan: "Yearly",
            amount: json!(100.0),
            time: Some("2025-06-11T10:00:00"),
            address: LOW,
            currency: "EUR",
        }
    }
}

impl Txn {
    pub fn line(&self) -> String {
        let record = json!({
            "transaction_id": self.id, "event_time": self.time, "user_id": self.user, "product_id": self.product,
            "subscription_type": self.plan, "amount": self.amount, "location": "Austin", "ip_address": self.address,
            "device_id": "device_1", "payment_method": "Card", "card_number": "4000000000001234",
            "currency": self.currency, "is_new_user": false, "referral_code": null, "session_id": "s1",
        });
        format!("{record}\n")
    }
}

pub fn lines(txns: &[Txn]) -> String {
    txns.iter().map(Txn::line).collect()
}

impl World {
    /// With the made-up lookups: users U1 and U2, products P1 and P2, three plans, two addresses.
    pub async fn new() -> World {
        let world = World::empty();
        let hash = |address: &str| hex::encode(Sha256::digest(address.as_bytes()));
        let risks = format!(
            "ip_hash,risk_level,risk_score,location\n{},high,9,Region-1\n{},low,2,Region-2\n",
            hash(HIGH),
            hash(LOW)
        );
        for (name, text) in [
            (
                "users_lookup.csv",
                "user_id,email,country,signup_date,user_status\nU1,a,DE,x,Active\nU2,b,AU,x,Suspended\n",
            ),
            ("products_lookup.csv", "product_id,product_name,category,price\nP1,One,Hardware,10.5\nP2,Two,Software,\n"),
            (
                "subscription_plans_lookup.csv",
                "subscription_type,monthly_cost,churn_risk,plan_duration\nYearly,299.99,Low,12\nRound,100,Low,1\nNothing,0,Low,1\n",
            ),
            ("ip_risk_lookup_with_location_v2.csv", &risks),
        ] {
            world.put(&format!("lookups/{name}"), text).await;
        }
        world
    }

    /// With the lookups and the two raw files of the development data.
    pub async fn sample() -> World {
        let world = World::empty();
        let data = development_data("enrichment_gold");
        for (from, to) in [("lookups", "lookups"), ("stream_input", "raw/stream_input")] {
            for entry in std::fs::read_dir(data.join(from)).unwrap() {
                let path = entry.unwrap().path();
                let name = path.file_name().unwrap().to_str().unwrap();
                world.folder(to).put(name, std::fs::read(&path).unwrap()).await.unwrap();
            }
        }
        world
    }

    fn empty() -> World {
        let place = tempfile::tempdir().unwrap();
        World { lake: lake_of(&place), place }
    }

    /// A copy of its own, file by file.
    pub fn copy(&self) -> World {
        let copy = World::empty();
        copy_folder(self.place.path(), copy.place.path());
        copy
    }

    pub fn folder(&self, key: &str) -> Folder {
        self.lake.folder(ROOT, key).unwrap()
    }

    pub async fn put(&self, key: &str, text: &str) {
        self.folder("").put(key, text.to_owned()).await.unwrap();
    }

    /// Delivers a raw file.
    pub async fn deliver(&self, name: &str, text: &str) {
        self.put(&format!("raw/stream_input/{name}"), text).await;
    }

    /// Delivers a raw file and takes it into silver.
    pub async fn ingest(&self, name: &str, txns: &[Txn]) {
        self.deliver(name, &lines(txns)).await;
        expect(&self.run("enrichment-silver", &[]).await, "OK", 0);
    }

    pub async fn run(&self, job: &str, more: &[&str]) -> JobResult {
        run_on(&self.lake, job, more).await
    }

    /// The stream, available now, without optimise.
    pub async fn stream(&self, more: &[&str]) -> JobResult {
        let fixed = ["--optimize=false", "--wait_retries=0"];
        self.run("enrichment-gold-stream", &[&fixed[..], more].concat()).await
    }

    pub async fn delta(&self, key: &str) -> Delta {
        Delta::open(&self.folder(key)).await.unwrap().unwrap_or_else(|| panic!("no table {key}"))
    }

    pub async fn silver(&self) -> Delta {
        self.delta("delta/silver").await
    }

    /// A statement over silver and the gold tables that are there.
    pub async fn query(&self, sql: &str) -> Vec<Map<String, Value>> {
        let query = Query::new(&JobContext::detached(self.lake.clone(), "test")).unwrap();
        for (name, key) in [("silver", "delta/silver".to_owned())]
            .into_iter()
            .chain(TABLES.iter().map(|(name, _)| (*name, format!("delta/gold/{name}"))))
        {
            if let Some(table) = Delta::open(&self.folder(&key)).await.unwrap() {
                query.delta(name, &table).await.unwrap();
            }
        }
        query.json(sql, &[]).await.unwrap()
    }

    /// One row of one value.
    pub async fn value(&self, sql: &str) -> Value {
        let rows = self.query(sql).await;
        assert_eq!(rows.len(), 1, "{sql}: {rows:?}");
        rows[0].values().next().unwrap().clone()
    }

    /// All rows of the gold tables, in order.
    pub async fn gold(&self) -> BTreeMap<&'static str, Vec<String>> {
        let mut gold = BTreeMap::new();
        for (name, order) in TABLES {
            let rows = self.query(&format!("select * from {name} order by {order}")).await;
            gold.insert(name, rows.into_iter().map(|row| Value::Object(row).to_string()).collect());
        }
        gold
    }

    /// For each gold table its last batch and how many commits changed its data.
    pub async fn batches(&self) -> Vec<(Option<i64>, usize)> {
        let mut batches = Vec::new();
        for (name, _) in TABLES {
            let table = self.delta(&format!("delta/gold/{name}")).await;
            let changes = table.changes(-1, table.version(), "event_date").await.unwrap();
            let commits = changes.iter().filter(|change| change.data_change).count();
            batches.push((table.transaction("enrichment_gold").await.unwrap(), commits));
        }
        batches
    }

    /// The JSON of an object; null if there is none.
    pub async fn json(&self, key: &str) -> Value {
        let bytes = self.folder("").get_optional(key).await.unwrap();
        bytes.map_or(Value::Null, |bytes| serde_json::from_slice(&bytes).unwrap())
    }

    /// The lines of all objects below a folder.
    pub async fn json_lines(&self, key: &str) -> Vec<Value> {
        let folder = self.folder(key);
        let mut lines = Vec::new();
        for object in folder.objects().await.unwrap() {
            let text = String::from_utf8(folder.get(&object.name).await.unwrap().to_vec()).unwrap();
            lines.extend(text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()));
        }
        lines
    }
}

/// The columns of silver.
pub fn silver_columns() -> Vec<Column> {
    workers::jobs::enrichment::SILVER.to_vec()
}

pub async fn run_on(lake: &Lake, job: &str, more: &[&str]) -> JobResult {
    let line: Vec<String> = [&format!("--root={ROOT}")[..]].iter().chain(more).map(|&word| word.to_owned()).collect();
    run_job_on(lake.clone(), job, &line).await
}

/// The lines of a raw file of the development data.
pub fn sample_lines(name: &str) -> Vec<String> {
    let path = development_data("enrichment_gold").join("stream_input").join(name);
    std::fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect()
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[track_caller]
pub fn expect(result: &JobResult, code: &str, exit_status: u8) {
    assert_eq!((result.code.as_str(), result.exit_status()), (code, exit_status), "{}", result.message);
}

/// A metric of the result.
#[track_caller]
pub fn metric<'r>(result: &'r JobResult, name: &str) -> &'r Value {
    result.metrics.get(name).unwrap_or_else(|| panic!("no metric {name} in {:?}", result.metrics))
}
