/// Why an act on collections or objects was refused. Faces give each code their protocol's own name.
package struct ObjectsError: Error, Sendable, CustomStringConvertible {
    package enum Code: Sendable, Hashable {
        case noSuchCollection, collectionExists, collectionNotEmpty, invalidName
        /// What is asked for contradicts what the collection or object is.
        case invalidState, methodNotAllowed
        /// Object lock keeps a version from being removed.
        case locked, noObjectLock
        /// Somebody holds a write lock that the request does not name.
        case writeLocked
        /// What is asked for would overwrite something, or lie where nothing can.
        case alreadyExists, noSuchFolder, notAFolder, cannotContainItself
        /// More objects at once than one transaction changes.
        case tooManyObjects
        /// Others have changed what was looked at.
        case changedMeanwhile
        case noSuchKey, noSuchVersion, invalidKey, keyTooLong, headersTooLarge
        case invalidTag
        /// The virus scanner found something in a body.
        case infected
        /// A condition on the current version does not hold.
        case preconditionFailed
        case tooLarge, incompleteBody
        /// Content-MD5, the signed SHA-256 or a checksum does not match the bytes that came.
        case badDigest, badPayloadHash, badChecksum
        case noSuchUpload, invalidPart, invalidPartOrder, partTooSmall, invalidPartNumber
        case noSuchTransaction
        /// It was committed already.
        case transactionEnded
        /// Too many writes, too many open ones, or too long a life.
        case transactionLimit
        /// What transactions do not do.
        case notInTransaction
        case storageFull, quotaExceeded, damaged, unavailable
        /// The version is kept from being read: it is damaged, or something was found in it.
        case quarantined
        /// The collection's key was destroyed: what it held cannot be read any more, by anybody.
        case keyDestroyed
        /// The object is encrypted with a customer's key (SSE-C): there is none in the request, it is another, or one
        /// came for an object that needs none.
        case keyRequired, wrongKey, keyNotApplicable
        /// The object is, or would be, encrypted with a named key (SSE-KMS) that is not there or may not be used.
        case kmsNotFound, kmsDisabled, kmsDestroyed, kmsDenied
    }

    /// Whether the node itself cannot read the object, for want of a key.
    package var isForWantOfKey: Bool {
        switch code {
        case .keyDestroyed, .keyRequired, .kmsNotFound, .kmsDisabled, .kmsDestroyed: true
        default: false
        }
    }

    package var code: Code
    package var message: String
    /// The delete marker that stands where the object was asked for.
    package var deleteMarker: ObjectVersion?
    /// The path whose write lock is in the way.
    package var lockRoot: String?

    package init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    package var description: String { message }

    /// Whether it says that this one version's content cannot be had; others can.
    package var isUnreadable: Bool { code == .damaged || code == .quarantined }

    static let keyDestroyed = ObjectsError(
        .keyDestroyed, "the collection's key was destroyed: what it holds cannot be read any more, by anybody")

    static func noSuchCollection(_ name: String) -> ObjectsError {
        ObjectsError(.noSuchCollection, "there is no collection '\(name.prefix(80))'")
    }

    static func noSuchKey(_ key: String) -> ObjectsError {
        ObjectsError(.noSuchKey, "there is no object '\(key.prefix(200))'")
    }

    static func noSuchVersion(_ name: String, of key: String) -> ObjectsError {
        ObjectsError(.noSuchVersion, "there is no version '\(name.prefix(64))' of '\(key.prefix(200))'")
    }

    static func noSuchUpload(_ id: String) -> ObjectsError {
        ObjectsError(
            .noSuchUpload, "there is no upload '\(id.prefix(64))' of this key: it was completed, aborted or never begun"
        )
    }

    static let notInTransaction = ObjectsError(
        .notInTransaction, "a transaction writes and deletes objects; it does not remove single versions")
}
