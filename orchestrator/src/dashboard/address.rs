//! The address of a page with its filters: the address is the state, so links change one part and keep the rest.

use super::page::encode;

/// A path with parameters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Address {
    path: String,
    parameters: Vec<(&'static str, String)>,
}

impl Address {
    /// A path without parameters.
    pub fn new(path: impl Into<String>) -> Self {
        Self { path: path.into(), parameters: Vec::new() }
    }

    /// With `name` set to `value`, or without it if there is no value.
    pub fn with(&self, name: &'static str, value: Option<&str>) -> Self {
        let mut address = self.clone();
        address.parameters.retain(|(known, _)| *known != name);
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            address.parameters.push((name, value.to_owned()));
        }
        address
    }

    /// Without `names`.
    pub fn without(&self, names: &[&str]) -> Self {
        let mut address = self.clone();
        address.parameters.retain(|(known, _)| !names.contains(known));
        address
    }

    /// The parameters, for the hidden fields of a form.
    pub fn hidden(&self, except: &[&str]) -> Vec<(&'static str, String)> {
        self.parameters.iter().filter(|(name, _)| !except.contains(name)).cloned().collect()
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.path)?;
        for (index, (name, value)) in self.parameters.iter().enumerate() {
            write!(f, "{}{name}={}", if index == 0 { '?' } else { '&' }, encode(value))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_change_one_part_and_keep_the_rest() {
        let address = Address::new("/e").with("state", Some("A?")).with("tab", Some("logs"));
        assert_eq!(address.to_string(), "/e?state=A%3F&tab=logs");
        assert_eq!(address.with("tab", None).to_string(), "/e?state=A%3F");
        assert_eq!(address.with("state", Some("B")).to_string(), "/e?tab=logs&state=B");
        assert_eq!(address.without(&["state", "tab"]).to_string(), "/e");
        assert_eq!(address.hidden(&["tab"]), [("state", "A?".to_owned())]);
    }
}
