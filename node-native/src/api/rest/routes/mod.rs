//! The handlers, one file for each kind of thing.
//!
//! A handler reads its parameters, asks a snapshot, and gives what it found a shape. It decides nothing and changes nothing; only a
//! transaction that is handed in goes to the owner of the chain, by the same door as everywhere.
#![allow(
    unused_qualifications,
    reason = "the macro that describes handlers writes the paths of types that are imported"
)]

pub(crate) mod addresses;
pub(crate) mod blocks;
pub(crate) mod broadcast;
pub(crate) mod chain;
pub(crate) mod mempool;
pub(crate) mod network;
pub(crate) mod ranges;
pub(crate) mod transactions;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, ResponseBuilder};
use utoipa::{IntoResponses, ToSchema};

use super::problem::Problem;
use super::reader::Api;

/// What handlers are given.
type App = State<Arc<Api>>;

/// Every answer that is not as asked, in the OpenAPI document.
pub(crate) struct Problems;

impl IntoResponses for Problems {
    fn responses() -> BTreeMap<String, RefOr<utoipa::openapi::response::Response>> {
        let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(Problem::name()))).build();
        let response = ResponseBuilder::new()
            .description("The request was not answered as asked; `code` and `message` say why.")
            .content("application/problem+json", content);
        BTreeMap::from([("default".to_owned(), response.build().into())])
    }
}

/// Bytes as they are, in the OpenAPI document.
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary)]
#[expect(dead_code, reason = "it is only described")]
pub(crate) struct Binary(Vec<u8>);

/// Bytes as they are.
fn bytes(bytes: Vec<u8>) -> Response {
    ([(CONTENT_TYPE, "application/octet-stream")], bytes).into_response()
}

/// JSON that is written already.
fn json(json: &str) -> Response {
    ([(CONTENT_TYPE, "application/json")], json.to_owned()).into_response()
}
