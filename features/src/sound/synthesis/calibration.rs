//! How high the evidence of human recordings goes, and what follows for the tiers.
use super::Tier;
/// Likely from here on.
pub const LIKELY: f64 = 3.0;
/// Certain from here on.
pub const CERTAIN: f64 = 5.0;
/// The tier of so much evidence.
pub fn tier(evidence: f64, is_heard: bool) -> Tier {
    match evidence {
        evidence if evidence >= CERTAIN => Tier::Certain,
        evidence if evidence >= LIKELY => Tier::Likely,
        _ if is_heard => Tier::None,
        _ => Tier::Unsure,
    }
}
