/// The version of this program, as it is told to people and to clients.
package enum Version {
    package static let current = "0.1.0"
}
