//! The kernels' PTX, as committed or as somebody else has it.

/// The text of each module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sources {
    /// `spectrum.ptx`.
    pub spectrum: String,
    /// `levels.ptx`.
    pub levels: String,
    /// `peaks.ptx`.
    pub peaks: String,
    /// `search.ptx`.
    pub search: String,
    /// `convolve.ptx`.
    pub convolve: String,
}

impl Sources {
    /// What `ptx.sh` made.
    pub fn committed() -> Sources {
        Sources {
            spectrum: include_str!("../../ptx/spectrum.ptx").into(),
            levels: include_str!("../../ptx/levels.ptx").into(),
            peaks: include_str!("../../ptx/peaks.ptx").into(),
            search: include_str!("../../ptx/search.ptx").into(),
            convolve: include_str!("../../ptx/convolve.ptx").into(),
        }
    }
}
