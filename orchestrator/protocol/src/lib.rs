//! Request and response types of the Step Functions API.
