//! The product as its users meet it: the real program as processes of its own, spoken to over its sockets.

mod clients;
mod crash;
mod jobs;
mod pages;
mod pipeline;
mod site;
mod support;
