//! What an image has beside its root file system: the stub, and the files of its machines.

use super::error::BuildError;
use super::inputs::Inputs;
use super::machines::Machines;
use crate::definition::BootKind;
use crate::fetch::Origins;
use crate::lock::STUB_ROLE;

/// Inputs that do not go into the root file system.
pub(crate) struct External {
    /// Empty when the image has no UKI.
    pub(crate) stub: Vec<u8>,
    /// Where the local package is that has it.
    pub(crate) local_stub: Option<String>,
    pub(crate) machines: Machines,
}

impl Inputs<'_> {
    /// The stub, and what the machines have.
    pub(crate) fn external(&self, origins: Origins<'_>) -> Result<External, BuildError> {
        let (stub, local_stub) = match self.definition.boot {
            BootKind::Disk => {
                let stub = &self.definition.stub;
                let found = self.input(STUB_ROLE, "boot.stub", stub, origins)?;
                (found.bytes, found.local)
            }
            BootKind::Direct => (Vec::new(), None),
        };
        Ok(External { stub, local_stub, machines: Machines::gather(self, origins)? })
    }
}
