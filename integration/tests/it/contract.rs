//! What the sink relies on in Elasticsearch and OpenSearch, fact by fact: asked of the real servers
//! and of the fake that other tests use in their place. A fact that holds here holds for both.
//!
//! What a real server of this stack lacks is in [`GAPS`], and is told.

mod documents;
mod indices;
mod mappings;
mod requests;
mod server;
mod versions;

use std::panic::AssertUnwindSafe;

use es_sink::testing::Product;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use server::Server;

/// A fact, by its name.
type Fact = (&'static str, for<'a> fn(&'a Server) -> BoxFuture<'a, ()>);

/// Names functions that ask a server.
macro_rules! facts {
    ($($module:ident::$name:ident,)*) => {
        [$((stringify!($name), |server| $module::$name(server).boxed()),)*]
    };
}

const FACTS: [Fact; 43] = facts![
    versions::an_equal_or_lower_version_conflicts,
    versions::external_gte_takes_an_equal_version,
    versions::a_delete_of_nothing_is_remembered,
    versions::versions_go_from_zero_to_the_largest_long,
    versions::a_version_out_of_range_refuses_the_whole_request,
    versions::create_has_no_external_versions,
    versions::an_update_has_no_versions,
    versions::internal_versions_count,
    versions::actions_on_one_document_are_done_in_order,
    versions::deletes_are_forgotten_after_gc_deletes,
    versions::deletes_that_are_not_flushed_survive_a_crash,
    versions::a_restart_forgets_deletes,
    mappings::a_value_of_another_type_condemns_its_document_alone,
    mappings::a_value_that_can_be_read_as_the_type_is_taken,
    mappings::ignore_malformed_takes_it,
    mappings::an_object_is_no_value,
    mappings::strict_refuses_what_it_does_not_know,
    mappings::without_dynamic_nothing_is_guessed,
    mappings::dynamic_guesses,
    mappings::fields_have_a_limit,
    mappings::a_field_keeps_its_type,
    mappings::an_unknown_type_is_named,
    mappings::a_term_has_a_limit,
    mappings::meta_is_replaced_as_a_whole,
    indices::an_index_is_made_once,
    indices::an_index_that_is_made_again_is_another,
    indices::a_write_makes_an_index_and_so_does_a_delete,
    indices::no_index_is_made_where_that_is_off,
    indices::require_alias_wants_an_alias,
    indices::an_alias_is_swapped_at_once,
    indices::removing_an_alias_that_is_not_there_is_no_error,
    indices::an_alias_with_a_filter_takes_what_it_does_not_show,
    indices::settings_change_and_go_back,
    indices::a_template_is_below_what_an_index_says,
    indices::a_full_disk_is_429_and_a_block_is_403,
    documents::a_search_sees_what_was_refreshed,
    documents::a_point_in_time_has_versions_and_stays_as_it_is,
    documents::a_restart_loses_points_in_time,
    documents::the_shard_of_a_document_is_that_of_its_routing,
    documents::a_pipeline_is_run_or_missed,
    documents::a_data_stream_takes_new_documents_only,
    requests::a_body_may_be_compressed_and_has_a_limit,
    requests::what_cannot_be_read_refuses_the_line_or_the_request,
];

/// What a server of this stack cannot show, and why.
const GAPS: [(&str, &str, &str); 1] = [(
    "Elasticsearch",
    "a_pipeline_is_run_or_missed",
    "the jars on Maven Central have no ingest processors",
)];

/// Asks a server for everything, and fails with the names of the facts that do not hold.
async fn ask_all(server: Server) {
    let mut broken = Vec::new();
    for (name, fact) in FACTS {
        if let Some((_, _, why)) = GAPS.iter().find(|(s, f, _)| (*s, *f) == (server.name(), name)) {
            println!("not asked of {}: {name}, because {why}", server.name());
            continue;
        }
        if AssertUnwindSafe(fact(&server)).catch_unwind().await.is_err() {
            broken.push(name);
        }
    }
    assert_eq!(broken, Vec::<&str>::new(), "{} keeps the contract", server.name());
}

#[tokio::test]
async fn the_fake_keeps_the_contract_as_each_server() {
    for product in Product::ALL.into_iter().filter(|product| *product != Product::Serverless) {
        ask_all(Server::fake(product).await).await;
    }
}

#[tokio::test]
async fn elasticsearch_keeps_the_contract() {
    ask_all(Server::elasticsearch().await).await;
}

#[tokio::test]
async fn opensearch_keeps_the_contract() {
    ask_all(Server::opensearch().await).await;
}

/// There is no such server here: only what its documentation says.
#[tokio::test]
async fn the_fake_as_serverless_refuses_what_is_about_nodes() {
    let server = Server::fake(Product::Serverless).await;

    let settings = serde_json::json!({ "settings": { "index": { "number_of_replicas": 1 } } });
    let (status, answer) = server.call("PUT", "/replicas", Some(settings)).await;
    let (flushed, _) = server.call("POST", "/_all/_flush", None).await;

    assert_eq!(status, 400);
    let reason = answer["error"]["reason"].as_str().unwrap();
    assert!(reason.contains("not available when running in serverless mode"), "{reason}");
    assert_eq!(flushed, 410);
    let (_, greeting) = server.call("GET", "/", None).await;
    assert_eq!(greeting["version"]["build_flavor"], "serverless");
}
