import Authority
import Catalogue
import Database
import Identity
import Journal
import Ledger
import Notifications
import Objects
import OpenID
import Policy
import Vault

/// The schema of the whole node: each part's migrations, in the order in which they refer to each other.
enum Schema {
    static let migrations =
        Journal.migrations + Identity.migrations + OpenIDProvider.migrations + Authority.migrations
        + Policies.migrations + Objects.migrations + Products.migrations + Catalogue.migrations + Ledger.migrations
        + Notifications.migrations

    /// Everything that the master key has sealed: what is not named here is lost when the root key is rotated.
    static let sealedColumns = Identity.sealedColumns + Objects.sealedColumns + Notifications.sealedColumns
}
