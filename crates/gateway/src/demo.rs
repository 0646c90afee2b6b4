//! The embedded demo page. `GET /` tells machines `OK` and shows browsers the page.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};

use crate::Inner;

/// One embedded file.
struct Asset {
    /// Below the root, without a leading slash.
    path: &'static str,
    content_type: &'static str,
    etag: &'static str,
    content: &'static [u8],
    /// Where that is smaller.
    gzip: Option<&'static [u8]>,
}

// `ASSETS`, sorted by path.
include!(concat!(env!("OUT_DIR"), "/assets.rs"));

/// Answers `/`.
pub(crate) async fn root(State(inner): State<Arc<Inner>>, headers: HeaderMap) -> Response {
    let page = find("index.html").filter(|_| inner.settings.demo && wants_html(&headers));
    let mut response = match page {
        Some(page) => send(page, &headers),
        None => "OK".into_response(),
    };
    // Added, not set: a compressed page varies by its encoding as well.
    response.headers_mut().append(header::VARY, HeaderValue::from_static("accept"));
    response
}

/// Answers every path that is nothing else.
pub(crate) async fn asset(State(inner): State<Arc<Inner>>, method: Method, uri: Uri, headers: HeaderMap) -> Response {
    let readable = inner.settings.demo && (method == Method::GET || method == Method::HEAD);
    match uri.path().strip_prefix('/').filter(|_| readable).and_then(find) {
        Some(asset) => send(asset, &headers),
        None => (StatusCode::NOT_FOUND, "not found").into_response(),
    }
}

fn find(path: &str) -> Option<&'static Asset> {
    let index = ASSETS.binary_search_by(|asset| asset.path.cmp(path)).ok()?;
    ASSETS.get(index)
}

fn send(asset: &'static Asset, request: &HeaderMap) -> Response {
    let mut headers = HeaderMap::new();
    let mut set = |name: HeaderName, value| headers.insert(name, HeaderValue::from_static(value));
    set(header::ETAG, asset.etag);
    // Files below `assets/` have a hash in their name: another content is another name.
    let forever = asset.path.starts_with("assets/");
    set(header::CACHE_CONTROL, if forever { "public, max-age=31536000, immutable" } else { "no-cache" });
    set(header::VARY, "accept-encoding");
    if lists(request, &header::IF_NONE_MATCH, asset.etag) {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    set(header::CONTENT_TYPE, asset.content_type);
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    // A token may be in the address of the page.
    set(header::REFERRER_POLICY, "no-referrer");
    let body = match asset.gzip {
        Some(gzip) if lists(request, &header::ACCEPT_ENCODING, "gzip") => {
            set(header::CONTENT_ENCODING, "gzip");
            gzip
        }
        _ => asset.content,
    };
    (headers, Body::from(body)).into_response()
}

/// Whether a header that is a list has this member, with or without parameters that do not rule it out.
fn lists(headers: &HeaderMap, name: &HeaderName, member: &str) -> bool {
    members(headers, name).any(|(value, weight)| value.trim_start_matches("W/") == member && weight > 0.0)
}

/// Whether the client names `text/html` and likes nothing else better (RFC 9110, section 12.5.1).
fn wants_html(headers: &HeaderMap) -> bool {
    let weight_of = |wanted: &str| {
        members(headers, &header::ACCEPT).filter(|(value, _)| *value == wanted).map(|(_, weight)| weight).next()
    };
    let plain = weight_of("text/plain").unwrap_or(0.0);
    weight_of("text/html").is_some_and(|html| html > 0.0 && html >= plain)
}

/// Members of a header that is a list, each with its weight.
fn members<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = (&'a str, f32)> {
    headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok()).flat_map(|text| text.split(',')).map(
        |member| {
            let mut parts = member.split(';').map(str::trim);
            let value = parts.next().unwrap_or_default();
            let weight = parts.find_map(|part| part.strip_prefix("q=")).and_then(|q| q.parse().ok()).unwrap_or(1.0);
            (value, weight)
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accept(text: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static(text))])
    }

    #[test]
    fn browsers_are_told_from_machines() {
        let cases = [
            ("text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8", true),
            ("text/html", true),
            ("text/html; charset=utf-8", true),
            ("*/*", false),
            ("", false),
            ("application/json", false),
            ("text/plain, */*", false),
            ("text/plain, text/html;q=0.5", false),
            ("text/plain;q=0.5, text/html", true),
            ("text/html;q=0", false),
            ("text/html;q=x", true),
        ];
        for (text, html) in cases {
            assert_eq!(wants_html(&accept(text)), html, "{text}");
        }
        assert!(!wants_html(&HeaderMap::new()));
    }

    #[test]
    fn the_page_is_there_and_sorted() {
        let page = find("index.html").expect("embedded or stood in for");
        assert!(page.content_type.starts_with("text/html") && !page.content.is_empty());
        assert!(ASSETS.is_sorted_by_key(|asset| asset.path));
        for path in ["", "/", "../Cargo.toml", "index.html/", "INDEX.HTML", "assets", "assets/"] {
            assert!(find(path).is_none(), "{path}");
        }
    }

    #[test]
    fn a_copy_that_is_still_good_is_not_sent_again() {
        let page = find("index.html").expect("embedded or stood in for");
        for (text, status) in [
            (page.etag.to_owned(), StatusCode::NOT_MODIFIED),
            (format!("\"x\", W/{}", page.etag), StatusCode::NOT_MODIFIED),
            ("\"x\"".to_owned(), StatusCode::OK),
        ] {
            let value = HeaderValue::from_str(&text).expect("a header");
            let request = HeaderMap::from_iter([(header::IF_NONE_MATCH, value)]);
            assert_eq!(send(page, &request).status(), status, "{text}");
        }
    }

    #[test]
    fn compressed_only_for_those_who_can_read_it() {
        let page = find("index.html").expect("embedded or stood in for");
        for (text, packed) in
            [("gzip, deflate, br", true), ("br;q=1.0, gzip;q=0.8", true), ("gzip;q=0", false), ("br", false)]
        {
            let request = HeaderMap::from_iter([(header::ACCEPT_ENCODING, HeaderValue::from_static(text))]);
            let response = send(page, &request);
            let is_packed = response.headers().contains_key(header::CONTENT_ENCODING);
            assert_eq!(is_packed, packed && page.gzip.is_some(), "{text}");
        }
    }
}
