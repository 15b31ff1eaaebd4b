//! The frozen table from (application, action) to whoever handles it, native or in the plugin host.

use std::sync::Arc;

use hn_pool::AccountState;
use hn_primitives::{Name, ValidatorSet, codes};

use crate::application::{ActionSpec, Failure, NativeApplication};
use crate::due::SYSTEM;
use crate::error::ExecutionError;
use crate::evidence::Evidence;
use crate::governance::{self, Governance};
use crate::identity::Identity;

/// Name under which the native applications stand in the plugin set.
pub const NATIVE_PLUGIN: &str = "hnnode";
/// Version of the native applications' rules. It is part of the plugins hash: raise it exactly when a rule changes.
pub const NATIVE_VERSION: &str = "1.0.0";
/// Actions of all applications together.
pub const ACTION_COUNT_MAX: usize = 16_384;

/// One action of a native application, as the plugins hash needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NativeAction {
    /// [`NATIVE_PLUGIN`].
    pub plugin: &'static str,
    /// [`NATIVE_VERSION`].
    pub version: &'static str,
    /// The application.
    pub application: &'static str,
    /// The action.
    pub action: &'static str,
    /// JSON Schema of the payload.
    pub schema_json: &'static str,
    /// Roles of which the sender needs one; empty: every registered account.
    pub roles: &'static [&'static str],
}

/// Every action of the native applications, ascending by (application, action).
pub fn native_actions() -> Vec<NativeAction> {
    let applications: [(&str, &'static [ActionSpec]); 3] = [
        (Evidence.name(), Evidence.actions()),
        (governance::NAME, governance::ACTIONS),
        (Identity.name(), Identity.actions()),
    ];
    applications
        .into_iter()
        .flat_map(|(application, actions)| actions.iter().map(move |spec| (application, spec)))
        .map(|(application, spec)| NativeAction {
            plugin: NATIVE_PLUGIN,
            version: NATIVE_VERSION,
            application,
            action: spec.name,
            schema_json: spec.schema_json,
            roles: spec.roles,
        })
        .collect()
}

struct ForeignAction {
    name: Name,
    roles: Vec<Name>,
}

enum Kind {
    Native(Box<dyn NativeApplication>),
    Foreign {
        actions: Vec<ForeignAction>,
        /// Code of every transaction while the application takes none.
        closed: Option<u32>,
    },
}

struct Entry {
    name: Name,
    kind: Kind,
}

/// Who handles a transaction.
pub(crate) enum Handler<'a> {
    /// The application, and the action's name as it knows it.
    Native(&'a dyn NativeApplication, &'static str),
    Foreign,
}

/// The applications of a chain. Built once, then shared by all blocks until the next activation.
#[derive(Default)]
pub struct Applications {
    /// Ascending by name.
    entries: Vec<Entry>,
    action_count: usize,
}

impl Applications {
    /// The applications compiled into the node that need nothing from the genesis: `evidence` and `identity`.
    ///
    /// # Errors
    /// As [`Applications::add_native`].
    pub fn native() -> Result<Self, ExecutionError> {
        let mut applications = Self::default();
        applications.add_native(Box::new(Evidence))?;
        applications.add_native(Box::new(Identity))?;
        Ok(applications)
    }

    /// Adds a native application.
    ///
    /// # Errors
    /// [`ExecutionError::ApplicationsInvalid`] for a name that is invalid or taken, or actions that do not ascend.
    pub fn add_native(&mut self, application: Box<dyn NativeApplication>) -> Result<(), ExecutionError> {
        let name = name(application.name())?;
        let actions = application.actions();
        if !actions.is_sorted_by(|a, b| a.name < b.name) {
            return Err(invalid(format!("actions of {name} do not ascend")));
        }
        self.count_actions(actions.len())?;
        match self.find(name.as_bytes()) {
            Ok(_) => Err(invalid(format!("application {name} twice"))),
            Err(position) => {
                self.entries.insert(
                    position,
                    Entry {
                        name,
                        kind: Kind::Native(application),
                    },
                );
                Ok(())
            }
        }
    }

    /// Adds an action that the plugin host handles; `roles` as in [`ActionSpec::roles`].
    ///
    /// # Errors
    /// [`ExecutionError::ApplicationsInvalid`] for an invalid name, an action given twice, a native application's name, or
    /// more than [`ACTION_COUNT_MAX`] actions.
    pub fn add_foreign(&mut self, application: &str, action: &str, roles: &[&str]) -> Result<(), ExecutionError> {
        let (application, action) = (name(application)?, name(action)?);
        if application.as_str() == SYSTEM {
            return Err(invalid(format!("application {application} is the core's own")));
        }
        let roles = roles.iter().map(|role| name(role)).collect::<Result<_, _>>()?;
        self.count_actions(1)?;
        let position = self.find(application.as_bytes()).unwrap_or_else(|position| {
            self.entries.insert(
                position,
                Entry {
                    name: application,
                    kind: Kind::Foreign {
                        actions: Vec::new(),
                        closed: None,
                    },
                },
            );
            position
        });
        match self.entries.get_mut(position).map(|entry| &mut entry.kind) {
            Some(Kind::Foreign { actions, .. }) => match actions.binary_search_by(|other| other.name.cmp(&action)) {
                Ok(_) => Err(invalid(format!("action {application}.{action} twice"))),
                Err(position) => {
                    actions.insert(position, ForeignAction { name: action, roles });
                    Ok(())
                }
            },
            _ => Err(invalid(format!("application {application} is native"))),
        }
    }

    /// Refuses every transaction of a plugin host's application with `code`.
    ///
    /// # Errors
    /// [`ExecutionError::ApplicationsInvalid`] for an application that is unknown or native.
    pub fn close(&mut self, application: &str, code: u32) -> Result<(), ExecutionError> {
        let found = self.find(application.as_bytes());
        match found
            .ok()
            .and_then(|at| self.entries.get_mut(at))
            .map(|entry| &mut entry.kind)
        {
            Some(Kind::Foreign { closed, .. }) => {
                *closed = Some(code);
                Ok(())
            }
            _ => Err(invalid(format!("application {application:.64} cannot be closed"))),
        }
    }

    /// Adds the application that decides about plugins; see [`crate::governance`].
    ///
    /// # Errors
    /// As [`Applications::add_native`].
    pub fn add_governance(&mut self, validators: Arc<ValidatorSet>) -> Result<(), ExecutionError> {
        let mut reserved: Vec<&str> = native_actions().iter().map(|action| action.application).collect();
        reserved.push(NATIVE_PLUGIN);
        self.add_native(Box::new(Governance::new(validators, reserved)))
    }

    /// Why application `index` takes no transactions.
    pub(crate) fn closed(&self, index: usize) -> Option<u32> {
        match self.entries.get(index).map(|entry| &entry.kind) {
            Some(Kind::Foreign { closed, .. }) => *closed,
            _ => None,
        }
    }

    /// Application `index` when it is native.
    pub(crate) fn native_at(&self, index: usize) -> Option<&dyn NativeApplication> {
        match self.entries.get(index).map(|entry| &entry.kind) {
            Some(Kind::Native(native)) => Some(&**native),
            _ => None,
        }
    }

    fn count_actions(&mut self, count: usize) -> Result<(), ExecutionError> {
        self.action_count += count;
        if self.action_count > ACTION_COUNT_MAX {
            return Err(invalid(format!("more than {ACTION_COUNT_MAX} actions")));
        }
        Ok(())
    }

    /// Number of applications; their indices are below it.
    pub(crate) fn count(&self) -> usize {
        self.entries.len()
    }

    /// Name of application `index`.
    pub(crate) fn name(&self, index: usize) -> Option<&Name> {
        self.entries.get(index).map(|entry| &entry.name)
    }

    /// Where `application` stands; `Err` is where it would stand.
    pub(crate) fn find(&self, application: &[u8]) -> Result<usize, usize> {
        self.entries
            .binary_search_by(|entry| entry.name.as_bytes().cmp(application))
    }

    /// Finds the handler of a transaction and checks that its sender may call it.
    ///
    /// # Errors
    /// `APPLICATION_UNKNOWN`, the code for which the application is closed, `ACTION_UNKNOWN`, `ROLE_MISSING`, in this order.
    pub(crate) fn resolve(
        &self,
        application: &[u8],
        action: &[u8],
        sender: &AccountState,
    ) -> Result<(usize, Handler<'_>), Failure> {
        let unknown = Failure::new(codes::APPLICATION_UNKNOWN);
        let index = self.find(application).map_err(|_| unknown)?;
        let entry = self.entries.get(index).ok_or(unknown)?;
        let (handler, allowed) = match &entry.kind {
            Kind::Native(native) => {
                let spec = find_native(native.actions(), action)?;
                (
                    Handler::Native(&**native, spec.name),
                    allows(spec.roles.iter().copied(), sender),
                )
            }
            Kind::Foreign { closed: Some(code), .. } => return Err(Failure::new(*code)),
            Kind::Foreign { actions, closed: None } => {
                let found = actions.binary_search_by(|other| other.name.as_bytes().cmp(action));
                let spec = found
                    .ok()
                    .and_then(|at| actions.get(at))
                    .ok_or(Failure::new(codes::ACTION_UNKNOWN))?;
                (Handler::Foreign, allows(spec.roles.iter().map(Name::as_str), sender))
            }
        };
        if allowed {
            Ok((index, handler))
        } else {
            Err(Failure::new(codes::ROLE_MISSING))
        }
    }
}

fn find_native(actions: &'static [ActionSpec], action: &[u8]) -> Result<&'static ActionSpec, Failure> {
    let found = actions.binary_search_by(|spec| spec.name.as_bytes().cmp(action));
    found
        .ok()
        .and_then(|at| actions.get(at))
        .ok_or(Failure::new(codes::ACTION_UNKNOWN))
}

fn allows<'a>(mut roles: impl ExactSizeIterator<Item = &'a str>, sender: &AccountState) -> bool {
    roles.len() == 0 || roles.any(|role| sender.has_role(role))
}

fn name(text: &str) -> Result<Name, ExecutionError> {
    Name::new(text).map_err(|_| invalid(format!("not a name: {text:.64}")))
}

fn invalid(message: String) -> ExecutionError {
    ExecutionError::ApplicationsInvalid(message)
}
