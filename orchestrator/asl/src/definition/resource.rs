//! `Resource` of a Task: which forms of ARN there are, and which ways to wait each service has.

use super::{Pattern, Resource};

const SYNC: u8 = 1;
const SYNC_2: u8 = 2;
const TOKEN: u8 = 4;

/// The optimized integrations: service, its calls (empty: any), the patterns beside request-response.
///
/// Source: AWS, "Integrating optimized services with Step Functions", November 2026.
const OPTIMIZED: &[(&str, &[&str], u8)] = &[
    ("apigateway", &["invoke"], TOKEN),
    ("athena", &["startQueryExecution", "stopQueryExecution", "getQueryExecution", "getQueryResults"], SYNC),
    ("batch", &["submitJob"], SYNC),
    ("bedrock", &[], SYNC | TOKEN),
    ("codebuild", &[], SYNC),
    ("databrew", &["startJobRun"], SYNC),
    ("dynamodb", &["getItem", "putItem", "deleteItem", "updateItem"], 0),
    ("ecs", &["runTask"], SYNC | TOKEN),
    ("eks", &[], SYNC | TOKEN),
    ("elasticmapreduce", &[], SYNC),
    ("emr-containers", &[], SYNC),
    ("emr-serverless", &[], SYNC),
    ("events", &["putEvents"], TOKEN),
    ("glue", &["startJobRun"], SYNC),
    ("http", &["invoke"], 0),
    ("lambda", &["invoke"], TOKEN),
    ("mediaconvert", &["createJob"], SYNC),
    ("sagemaker", &[], SYNC),
    ("sns", &["publish"], TOKEN),
    ("sqs", &["sendMessage"], TOKEN),
    ("states", &["startExecution"], SYNC | SYNC_2 | TOKEN),
];

const INVALID: &str = "Value is not a valid resource ARN";

impl Resource {
    /// Reads an ARN; the error is what AWS says of it.
    pub fn parse(arn: &str) -> Result<Self, String> {
        let mut parts = arn.splitn(6, ':');
        let mut part = || parts.next().ok_or(INVALID);
        let (prefix, partition, service, region, account, rest) =
            (part()?, part()?, part()?, part()?, part()?, part()?);
        if prefix != "arn" || partition.is_empty() || rest.is_empty() || arn.contains(char::is_whitespace) {
            return Err(INVALID.to_owned());
        }
        let owned = !region.is_empty() && !account.is_empty();
        match service {
            "states" if owned => match rest.strip_prefix("activity:") {
                Some(name) if !name.is_empty() => Ok(Self::Activity(arn.to_owned())),
                _ => Err(INVALID.to_owned()),
            },
            "lambda" if owned => match rest.strip_prefix("function:") {
                Some(name) if !name.is_empty() => Ok(Self::Lambda(arn.to_owned())),
                _ => Err(INVALID.to_owned()),
            },
            "states" if region.is_empty() && account.is_empty() => Self::integration(arn, rest),
            _ => Err(unknown(arn)),
        }
    }

    /// `<service>:<api>[.<pattern>]` or `aws-sdk:<service>:<api>[.<pattern>]`.
    fn integration(arn: &str, rest: &str) -> Result<Self, String> {
        let (call, pattern) = match rest.split_once('.') {
            None => (rest, Pattern::RequestResponse),
            Some((call, suffix)) => match suffix {
                "sync" => (call, Pattern::Sync),
                "sync:2" => (call, Pattern::Sync2),
                "waitForTaskToken" => (call, Pattern::WaitForTaskToken),
                _ => return Err(unknown(arn)),
            },
        };
        let (service, api) = call.rsplit_once(':').ok_or_else(|| unknown(arn))?;
        if service.is_empty() || api.is_empty() {
            return Err(unknown(arn));
        }
        let patterns = match service.strip_prefix("aws-sdk:") {
            Some(sdk) if sdk.is_empty() || sdk.contains(':') => return Err(unknown(arn)),
            Some(_) if !api.starts_with(|first: char| first.is_ascii_lowercase()) => return Err(unknown(arn)),
            Some(_) => TOKEN,
            None => {
                let (_, apis, patterns) =
                    OPTIMIZED.iter().find(|(name, ..)| *name == service).ok_or_else(|| unknown(arn))?;
                if !apis.is_empty() && !apis.contains(&api) {
                    return Err(format!("{}; call it as 'aws-sdk:{service}:{api}'", unknown(arn)));
                }
                *patterns
            }
        };
        let needed = match pattern {
            Pattern::RequestResponse => 0,
            Pattern::Sync => SYNC,
            Pattern::Sync2 => SYNC_2,
            Pattern::WaitForTaskToken => TOKEN,
        };
        if patterns & needed != needed {
            let suffix = pattern.suffix();
            return Err(format!("Service integration '{service}:{api}' does not support '{suffix}'; remove it"));
        }
        Ok(Self::Service { service: service.to_owned(), api: api.to_owned(), pattern })
    }

    /// Why an EXPRESS machine cannot have this resource, in AWS's words (the blank at one end is recorded).
    pub fn refused_in_express(&self) -> Option<String> {
        match self {
            Self::Activity(_) => Some("Express state machine does not support Activity ARN".to_owned()),
            Self::Service { pattern: Pattern::WaitForTaskToken, .. } => {
                Some("Express state machine does not support '.waitForTaskToken' service integration ".to_owned())
            }
            Self::Service { pattern: pattern @ (Pattern::Sync | Pattern::Sync2), .. } => {
                Some(format!("Express state machine does not support '{}' service integration", pattern.suffix()))
            }
            Self::Service { pattern: Pattern::RequestResponse, .. } | Self::Lambda(_) => None,
        }
    }
}

fn unknown(arn: &str) -> String {
    format!(
        "The resource provided {arn} is not recognized. \
         The value is not a valid resource ARN, or the resource is not available in this region."
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resources_are_read_by_their_form() {
        let service = |service: &str, api: &str, pattern| {
            Ok(Resource::Service { service: service.to_owned(), api: api.to_owned(), pattern })
        };
        let activity = "arn:aws:states:us-east-1:123456789012:activity:compact";
        let lambda = "arn:aws:lambda:your-region:your-account-id:function:hello:1";
        for (arn, expected) in [
            (activity, Ok(Resource::Activity(activity.to_owned()))),
            (lambda, Ok(Resource::Lambda(lambda.to_owned()))),
            ("arn:aws:states:::glue:startJobRun.sync", service("glue", "startJobRun", Pattern::Sync)),
            ("arn:aws:states:::states:startExecution.sync:2", service("states", "startExecution", Pattern::Sync2)),
            (
                "arn:aws-cn:states:::sqs:sendMessage.waitForTaskToken",
                service("sqs", "sendMessage", Pattern::WaitForTaskToken),
            ),
            (
                "arn:aws:states:::aws-sdk:glue:startCrawler",
                service("aws-sdk:glue", "startCrawler", Pattern::RequestResponse),
            ),
            ("arn:aws:states:::http:invoke", service("http", "invoke", Pattern::RequestResponse)),
            ("arn:aws:states:us-east-1:123456789012:activity:", Err(INVALID.to_owned())),
            ("createToken", Err(INVALID.to_owned())),
            ("arn:aws:states:::nosuch:call", Err(unknown("arn:aws:states:::nosuch:call"))),
            ("arn:aws:states:::glue:startJobRun.later", Err(unknown("arn:aws:states:::glue:startJobRun.later"))),
        ] {
            assert_eq!(Resource::parse(arn), expected, "{arn}");
        }
    }

    #[test]
    fn a_pattern_the_service_lacks_is_refused() {
        for arn in [
            "arn:aws:states:::glue:startJobRun.waitForTaskToken",
            "arn:aws:states:::glue:startJobRun.sync:2",
            "arn:aws:states:::dynamodb:getItem.sync",
            "arn:aws:states:::aws-sdk:glue:startJobRun.sync",
            "arn:aws:states:::lambda:invoke.sync",
        ] {
            let message = Resource::parse(arn).expect_err(arn);
            assert!(message.contains("does not support"), "{arn}: {message}");
        }
    }
}
