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
    pub(crate) machines: Machines,
}

impl Inputs<'_> {
    /// The stub, and what the machines have.
    pub(crate) fn external(&self, origins: Origins<'_>) -> Result<External, BuildError> {
        let stub = match self.definition.boot {
            BootKind::Disk => self.input(STUB_ROLE, "boot.stub", &self.definition.stub, origins)?.0,
            BootKind::Direct => Vec::new(),
        };
        Ok(External { stub, machines: Machines::gather(self, origins)? })
    }
}
