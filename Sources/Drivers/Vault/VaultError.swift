/// What is wrong with the node's keys. Never names key material.
package struct VaultError: Error, CustomStringConvertible, Sendable {
    package var description: String

    package init(_ description: String) { self.description = description }
}
