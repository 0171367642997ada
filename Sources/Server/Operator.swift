import Identity

/// What whoever runs a node may do without a login.
package enum Operator {
    /// A password that a person can read and type.
    package static func newPassword() -> String { Identity.readablePassword() }
}
