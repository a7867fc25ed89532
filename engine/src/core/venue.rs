//! Commands of the venue itself: time, defaults of accounts, and what an operator decides. What contradicts the state or is not
//! offered is refused, and changes nothing.

use super::Core;
use super::accounts::Defaults;
use super::sink::{EventSink, Out};
use protocol::types::AccountId;
use protocol::venue_command::SetAccountDefaults;
use protocol::{EventBody, RejectReason, VenueCommand};

impl Core {
    /// Does what the venue asks, or says why not.
    #[cold]
    pub(super) fn obey(&mut self, command: &VenueCommand, out: &mut Out<'_, impl EventSink>) {
        if let Err(reason) = self.try_obey(command, out) {
            out.push(EventBody::OperatorRefused { reason });
        }
    }

    fn try_obey(&mut self, command: &VenueCommand, out: &mut Out<'_, impl EventSink>) -> Result<(), RejectReason> {
        match command {
            VenueCommand::Tick => {
                self.tick(out);
                Ok(())
            }
            VenueCommand::SetAccountDefaults(set) => self.set_account_defaults(set),
            VenueCommand::SetMatching(_)
            | VenueCommand::SetBands(_)
            | VenueCommand::SetReferencePrice(_)
            | VenueCommand::StartAuction(_)
            | VenueCommand::Connected(_)
            | VenueCommand::Disconnected(_)
            | VenueCommand::SetOperationalHalt(_)
            | VenueCommand::SetMarketWideLevels(_)
            | VenueCommand::BreachMarketWide(_)
            | VenueCommand::BustTrade(_) => Err(RejectReason::NotSupported),
        }
    }

    fn known(&self, account: AccountId) -> Result<AccountId, RejectReason> {
        if (account.0 as usize) < self.accounts.count() { Ok(account) } else { Err(RejectReason::FirmNotAuthorized) }
    }

    fn set_account_defaults(&mut self, set: &SetAccountDefaults) -> Result<(), RejectReason> {
        if set.cancel_on_disconnect {
            return Err(RejectReason::NotSupported);
        }
        let account = self.known(set.account)?;
        let SetAccountDefaults { aiq_strategy: aiq, aiq_group_id: aiq_group, cancel_on_disconnect, grace_ms, .. } =
            *set;
        let due = self.accounts.defaults(account).due;
        self.accounts.set_defaults(account, Defaults { aiq, aiq_group, cancel_on_disconnect, grace_ms, due });
        Ok(())
    }
}
