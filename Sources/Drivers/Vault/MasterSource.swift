package import Ciphers
import Wire

/// Where the master key is, and what is done with it there: root keys are wrapped and unwrapped.
package protocol MasterSource: Sendable {
    /// For people: which key it is. No secrets.
    var description: String { get }

    /// The key itself where the node may hold it, for what was sealed before there were root keys.
    var direct: AEADKey? { get }

    /// - Throws: ``VaultError`` where the key cannot be used.
    func wrap(_ root: AEADKey, label: String) throws -> [UInt8]

    /// - Throws: ``VaultError`` where the key cannot be used, or is not the one that has wrapped.
    func unwrap(_ sealed: [UInt8], label: String) throws -> AEADKey
}

/// The setting `master-key`: `file:PATH` or a path, `credential:NAME` (systemd's), or a `pkcs11:` URI.
package enum MasterKeySetting {
    /// Opens the key at its place.
    ///
    /// - Parameters:
    ///   - creates: whether a key file that is missing is made. Credentials and tokens are never written to here.
    ///   - credentials: the folder of systemd's credentials: the variable `CREDENTIALS_DIRECTORY`.
    /// - Throws: ``VaultError`` where there is no such key, or it cannot be used.
    package static func open(_ setting: String, creates: Bool, credentials: String?) throws -> any MasterSource {
        if let name = setting.dropping("credential:") {
            guard let credentials, !credentials.isEmpty else {
                throw VaultError(
                    "the master key is the credential '\(name.prefix(64))', but CREDENTIALS_DIRECTORY is not set: start the node by systemd with LoadCredential= or LoadCredentialEncrypted="
                )
            }
            guard !name.isEmpty, name != ".", name != "..", !name.contains("/"), name.utf8.count <= 255 else {
                throw VaultError("'\(name.prefix(64))' is no name of a credential")
            }
            return try KeyFile.open(credential: name, folder: credentials)
        }
        if setting.hasPrefix("pkcs11:") { return try PKCS11Source.open(PKCS11URI(setting)) }
        let path = setting.dropping("file:") ?? setting
        guard path.hasPrefix("/") else {
            throw VaultError("the master key's file is named by its whole path, not '\(path.prefix(80))'")
        }
        return try KeyFile.open(path: path, creates: creates)
    }

    /// Makes a key that is not there yet, in a file or a token.
    ///
    /// - Returns: which key was made, for people.
    /// - Throws: ``VaultError`` where there is one already, or it cannot be made.
    package static func create(_ setting: String) throws -> String {
        if setting.hasPrefix("pkcs11:") { return try PKCS11Source.create(PKCS11URI(setting)).description }
        guard !setting.hasPrefix("credential:") else {
            throw VaultError(
                "a credential is made by systemd: systemd-creds encrypt --name=NAME KEYFILE /etc/credstore.encrypted/NAME"
            )
        }
        let path = setting.dropping("file:") ?? setting
        guard path.hasPrefix("/") else { throw VaultError("the file is named by its whole path") }
        guard !KeyFile.exists(path) else { throw VaultError("there is a file \(path) already: it is left as it is") }
        return try KeyFile.open(path: path, creates: true).description
    }
}

extension String {
    fileprivate func dropping(_ prefix: String) -> String? {
        hasPrefix(prefix) ? String(dropFirst(prefix.count)) : nil
    }
}
