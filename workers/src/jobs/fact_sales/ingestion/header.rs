//! What a sales file looks like: its delimiter, and which of its columns is which.

use csv::{ReaderBuilder, StringRecord};

/// Delimiters files come with, the likeliest first.
pub(super) const DELIMITERS: [u8; 4] = [b',', b';', b'|', b'\t'];
/// Lines that are looked at to find the delimiter. Source: pipelines.md 2.7, step 2.
pub(super) const SAMPLE_LINES: usize = 20;

/// A column of a sale that a file has under one of its names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    TransactionId,
    StoreId,
    Timestamp,
    ItemId,
    ItemCategory,
    Quantity,
    UnitPrice,
    Revenue,
    PaymentMethod,
    CustomerId,
}

impl Field {
    /// All of them, in the order of the processed zone.
    pub const ALL: [Field; 10] = [
        Field::TransactionId,
        Field::StoreId,
        Field::Timestamp,
        Field::ItemId,
        Field::ItemCategory,
        Field::Quantity,
        Field::UnitPrice,
        Field::Revenue,
        Field::PaymentMethod,
        Field::CustomerId,
    ];

    /// Those no sale is without.
    pub const REQUIRED: [Field; 7] = [
        Field::TransactionId,
        Field::StoreId,
        Field::Timestamp,
        Field::ItemId,
        Field::Quantity,
        Field::UnitPrice,
        Field::Revenue,
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Field::TransactionId => "transaction_id",
            Field::StoreId => "store_id",
            Field::Timestamp => "timestamp",
            Field::ItemId => "item_id",
            Field::ItemCategory => "item_category",
            Field::Quantity => "quantity",
            Field::UnitPrice => "unit_price",
            Field::Revenue => "revenue",
            Field::PaymentMethod => "payment_method",
            Field::CustomerId => "customer_id",
        }
    }

    /// The field a header names: in lower case, blanks and dashes as `_`, other symbols dropped, synonyms understood.
    ///
    /// Source: pipelines.md 2.7, step 3.
    fn of_header(header: &str) -> Option<Field> {
        let mut name = String::new();
        for c in header.trim().chars().flat_map(char::to_lowercase) {
            match c {
                ' ' | '-' | '_' => name.push('_'),
                c if c.is_alphanumeric() => name.push(c),
                _ => {}
            }
        }
        let name = match name.as_str() {
            "transactionid" | "transid" | "txn_id" => "transaction_id",
            "storeid" | "shop_id" => "store_id",
            "itemid" | "product_id" => "item_id",
            "qty" | "quantitysold" => "quantity",
            "unitprice" | "price" => "unit_price",
            "revenueamount" | "amount" => "revenue",
            name => name,
        };
        Field::ALL.into_iter().find(|field| field.name() == name)
    }
}

/// The columns of a file.
#[derive(Clone, Debug)]
pub(super) struct Header {
    /// Fields of a whole row.
    pub width: usize,
    /// Where each field is, in the order of [`Field::ALL`].
    positions: [Option<usize>; 10],
    /// Headers that map to a column another one has already.
    pub repeated: Vec<String>,
}

impl Header {
    /// Understands a header row.
    pub fn of(record: &StringRecord) -> Header {
        let mut header = Header { width: record.len(), positions: [None; 10], repeated: Vec::new() };
        for (position, name) in record.iter().enumerate() {
            let Some(field) = Field::of_header(name) else { continue };
            match &mut header.positions[field as usize] {
                Some(_) => header.repeated.push(name.trim().to_owned()),
                free => *free = Some(position),
            }
        }
        header
    }

    /// The required columns it lacks, in order.
    pub fn missing(&self) -> Vec<&'static str> {
        let lacks = |field: &Field| self.positions[*field as usize].is_none();
        Field::REQUIRED.into_iter().filter(lacks).map(Field::name).collect()
    }

    /// A row's value, trimmed; `None` if it is blank or absent.
    pub fn value<'r>(&self, record: &'r StringRecord, field: Field) -> Option<&'r str> {
        record.get(self.positions[field as usize]?).map(str::trim).filter(|value| !value.is_empty())
    }
}

/// The delimiter by which most of the first lines have as many fields as the header; comma if none splits the header.
pub(super) fn detect_delimiter(sample: &str) -> u8 {
    let lines: Vec<&str> = sample.lines().filter(|line| !line.trim().is_empty()).take(SAMPLE_LINES).collect();
    let mut best = (0, 0, b',');
    for delimiter in DELIMITERS {
        let widths: Vec<usize> = lines.iter().map(|line| split(line, delimiter).len()).collect();
        let Some(&width) = widths.first().filter(|width| **width > 1) else { continue };
        let agreeing = widths.iter().filter(|found| **found == width).count();
        if (agreeing, width) > (best.0, best.1) {
            best = (agreeing, width, delimiter);
        }
    }
    best.2
}

/// The fields of one row of text.
pub(super) fn split(row: &str, delimiter: u8) -> StringRecord {
    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter)
        .buffer_capacity(row.len().clamp(64, 8 << 10))
        .from_reader(row.as_bytes());
    let mut record = StringRecord::new();
    // Reading text from memory cannot fail; were it to, the row would have no fields and be rejected.
    match reader.read_record(&mut record) {
        Ok(_) => record,
        Err(_) => StringRecord::new(),
    }
}

/// The row by the first other delimiter that gives it the header's width.
///
/// Source: pipelines.md 2.7, step 4.
pub(super) fn split_again(row: &str, header: &Header, delimiter: u8) -> Option<StringRecord> {
    let others = DELIMITERS.into_iter().filter(|other| *other != delimiter);
    others.map(|other| split(row, other)).find(|record| record.len() == header.width)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(row: &str) -> Header {
        Header::of(&split(row, b','))
    }

    #[test]
    fn headers_are_known_by_many_names_in_any_order() {
        let found = header("Shop-ID,QTY, Transaction ID ,price,Revenue (Amount),TIMESTAMP,product_id,discount_code");
        assert_eq!(found.missing(), ["revenue"], "`Revenue (Amount)` becomes `revenue_amount`, which nobody knows");
        let found = header("storeid,qty,TransID,unitprice,RevenueAmount,timestamp,itemid");
        assert!(found.missing().is_empty());
        let row = split(" S1 ,2,T1,3.5,\"7,0\", x ,", b',');
        assert_eq!(found.value(&row, Field::StoreId), Some("S1"));
        assert_eq!(found.value(&row, Field::Revenue), Some("7,0"));
        assert_eq!(found.value(&row, Field::ItemId), None, "blank");
        assert_eq!(found.value(&row, Field::CustomerId), None, "not in this file");
        let twice = header("amount,revenue,price,unit_price");
        assert_eq!(twice.repeated, ["revenue", "unit_price"]);
        assert_eq!(twice.value(&split("1,2,3,4", b','), Field::Revenue), Some("1"), "the first one counts");
    }

    #[test]
    fn the_delimiter_is_the_most_consistent_one() {
        for (sample, expected) in [
            ("a,b,c\n1,2,3\n", b','),
            ("a;b;c\n1;2,5;3\n", b';'),
            ("a|b\n1|2\n", b'|'),
            ("a\tb\n1\t2\n", b'\t'),
            ("a,b,c\n1;2;3\n4,5,6\n7,8,9\n", b','),
            ("a,b\n\"x;y;z\",2\n", b','),
            ("alone\n1\n", b','),
            ("", b','),
        ] {
            assert_eq!(detect_delimiter(sample), expected, "{sample:?}");
        }
    }

    #[test]
    fn a_row_with_another_delimiter_is_split_again_if_it_fits() {
        let header = header("a,b,c");
        assert_eq!(split_again("1;\"2;x\";3", &header, b',').unwrap().iter().collect::<Vec<_>>(), ["1", "2;x", "3"]);
        assert!(split_again("1;2", &header, b',').is_none());
    }
}
