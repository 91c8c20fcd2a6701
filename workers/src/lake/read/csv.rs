//! CSV into rows.

use super::cell::Cell;
use super::quotes::is_open;
use super::rows::{Rows, Target};

/// Where the fields of a file go, by position.
#[derive(Clone, Debug)]
pub(super) struct Header {
    targets: Vec<Target>,
}

fn reader(text: &[u8]) -> ::csv::Reader<&[u8]> {
    ::csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text)
}

impl Header {
    /// Takes the header off the beginning of a file; returns it and the number of bytes it took. `None` for a file
    /// without any row. A header that ends within quotes is a corrupt row, as every record is.
    pub fn take(rows: &mut Rows, text: &[u8]) -> Option<(Header, usize)> {
        let mut reader = reader(text);
        let mut record = ::csv::ByteRecord::new();
        match reader.read_byte_record(&mut record) {
            Ok(true) => {}
            Ok(false) | Err(_) => return None,
        }
        let length = usize::try_from(reader.position().byte()).unwrap_or(text.len());
        if length == text.len() && is_open(text) {
            rows.mark_corrupt();
            rows.end_row(|| String::from_utf8_lossy(text).trim().to_owned());
        }
        let names = record.iter().enumerate().map(|(position, name)| {
            let name = String::from_utf8_lossy(name);
            let name = name.trim();
            // A column without a name still has values.
            if name.is_empty() { format!("column_{position}") } else { name.to_owned() }
        });
        let names: Vec<String> = names.collect();
        let targets = names.iter().map(|name| rows.settings.target(name));
        let targets: Vec<Target> = targets.collect();
        let header = Header { targets };
        header.announce(rows);
        rows.columns = Some(names);
        Some((header, length))
    }

    /// Makes the undeclared columns known.
    pub fn announce(&self, rows: &mut Rows) {
        for target in &self.targets {
            if let Target::Unknown(name) = target {
                rows.see(name);
            }
        }
    }
}

/// Appends every record of a piece. One with another number of fields than the header is a corrupt row that keeps the
/// fields it has; so is one that ends within quotes, which only the last of an object does.
pub(super) fn parse(rows: &mut Rows, header: &Header, piece: &[u8]) {
    let mut reader = reader(piece);
    let mut record = ::csv::ByteRecord::new();
    // Reading from memory with flexible field counts cannot fail; a fault would end the piece, so it marks a row.
    loop {
        let start = reader.position().byte() as usize;
        match reader.read_byte_record(&mut record) {
            Ok(true) => {}
            Ok(false) => return,
            Err(_) => {
                rows.mark_corrupt();
                rows.end_row(|| String::from_utf8_lossy(&piece[start..]).into_owned());
                return;
            }
        }
        let end = reader.position().byte() as usize;
        let is_open = end == piece.len() && is_open(&piece[start..]);
        if record.len() == 1 && record[0].trim_ascii().is_empty() && !is_open {
            continue;
        }
        if record.len() != header.targets.len() || is_open {
            rows.mark_corrupt();
        }
        for (target, field) in header.targets.iter().zip(&record) {
            set(rows, target, field);
        }
        rows.end_row(|| String::from_utf8_lossy(&piece[start..end]).trim().to_owned());
    }
}

fn set(rows: &mut Rows, target: &Target, field: &[u8]) {
    let Ok(text) = std::str::from_utf8(field) else {
        rows.mark_corrupt();
        return;
    };
    let text = text.trim();
    match target {
        Target::Declared(column) => rows.set_text(*column, text),
        Target::Ignored => {}
        _ if text.is_empty() => {}
        Target::Corrupt => rows.mark_corrupt(),
        Target::Unknown(name) => rows.set_unknown(name, Cell::Plain(text.into())),
    }
}
