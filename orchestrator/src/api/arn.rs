//! ARNs of the service: `arn:<partition>:states:<region>:<account>:<kind>:<rest>`.

use super::error::ApiError;

/// What an ARN names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    StateMachine,
    Execution,
    Activity,
}

impl Kind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::StateMachine => "stateMachine",
            Self::Execution => "execution",
            Self::Activity => "activity",
        }
    }
}

/// Checks that `arn` is one of this kind, and gives what stands behind the kind.
pub(super) fn parse(arn: &str, kind: Kind) -> Result<&str, ApiError> {
    let mut parts = arn.splitn(7, ':');
    let prefix_fits = parts.next() == Some("arn")
        && parts.next().is_some_and(|partition| partition.starts_with("aws"))
        && parts.next() == Some("states")
        && parts.next().is_some()
        && parts.next().is_some();
    if !prefix_fits {
        return Err(ApiError::invalid_arn(format_args!("Invalid ARN prefix: {arn}")));
    }
    let (found, rest) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    if found != kind.as_str() {
        return Err(ApiError::invalid_arn(format_args!("Resource type not valid in this context: {found}")));
    }
    if rest.is_empty() {
        return Err(ApiError::invalid_arn(arn));
    }
    Ok(rest)
}

#[cfg(test)]
mod tests {
    use super::{Kind, parse};

    #[test]
    fn arns_of_another_kind_or_none_are_refused() {
        let arn = "arn:aws:states:us-east-1:123456789012:execution:m:e";
        assert_eq!(parse(arn, Kind::Execution).expect("an execution"), "m:e");
        for (arn, message) in [
            ("nonsense", "InvalidArn: Invalid Arn: 'Invalid ARN prefix: nonsense'"),
            (
                "arn:aws:states:us-east-1:123456789012:express:m:e:u",
                "InvalidArn: Invalid Arn: 'Resource type not valid in this context: express'",
            ),
            (
                "arn:aws:states:us-east-1:123456789012:execution:",
                "InvalidArn: Invalid Arn: 'arn:aws:states:us-east-1:123456789012:execution:'",
            ),
        ] {
            assert_eq!(parse(arn, Kind::Execution).expect_err(arn).to_string(), message);
        }
    }
}
