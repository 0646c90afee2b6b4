//! Reads a trickled candidate (RFC 8839, section 5.1) and tells what may become of it.

use is::Candidate;

/// A candidate that a full agent can check.
#[derive(Debug, Clone)]
pub(crate) struct RemoteCandidate(pub(super) Candidate);

/// Longest text that is read. Candidates have about 100 to 200 bytes.
const TEXT_LEN_MAX: usize = 1024;

/// What the text is.
#[derive(Debug)]
pub(crate) enum CandidateText {
    /// A candidate to check.
    Usable(RemoteCandidate),
    /// The address is an mDNS name, which only the peer's own network can resolve; its checks will show the address.
    Mdns,
    /// The end of candidates, which we do not wait for.
    End,
    /// Malformed, or nothing we can reach.
    Unusable,
}

/// Reads the text of a candidate with or without `a=`.
pub(crate) fn read_candidate(text: &str) -> CandidateText {
    let text = text.trim();
    let text = text.strip_prefix("a=").unwrap_or(text);
    if text.is_empty() || text == "end-of-candidates" {
        return CandidateText::End;
    }
    if text.len() > TEXT_LEN_MAX {
        return CandidateText::Unusable;
    }
    // candidate:foundation component transport priority address port typ ...
    let mut fields = text.split_ascii_whitespace();
    let component = fields.nth(1);
    let address = fields.nth(2);
    if address.is_some_and(|address| address.ends_with(".local")) {
        return CandidateText::Mdns;
    }
    // RTCP is multiplexed, so there is only component 1.
    if component != Some("1") {
        return CandidateText::Unusable;
    }
    match Candidate::from_sdp_string(text) {
        Ok(candidate) if candidate.addr().port() != 0 && !candidate.addr().ip().is_unspecified() => {
            CandidateText::Usable(RemoteCandidate(candidate))
        }
        _ => CandidateText::Unusable,
    }
}
