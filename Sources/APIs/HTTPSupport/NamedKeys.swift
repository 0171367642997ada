package import Objects
import Policy
import Wire

// What the gate is asked where an object is encrypted with a named key (SSE-KMS), by every face that reads and writes.
extension Gate {
    /// Asks whether the caller may use a named key. The node's own key for S3 may be used by all who may use the
    /// object, as S3's may.
    ///
    /// - Throws: ``AccessDenied``.
    private func requireUse(of key: KMSKey, _ action: String, context: String?, _ caller: Caller) async throws {
        guard !key.isManaged else { return }
        var circumstances = caller.context
        circumstances.values["kms:ViaService"] = ["s3.us-east-1.amazonaws.com"]
        if let context, let members = try? JSONValue(parsing: context).object?.members {
            for member in members {
                circumstances.values["kms:EncryptionContext:\(member.name)"] = [member.value.string ?? ""]
            }
        }
        try await require(caller.principal, action, on: key.arn, circumstances)
    }

    /// How a new object is encrypted, if the caller may use the key for it (`kms:GenerateDataKey`).
    ///
    /// - Throws: as ``Objects/encryptionPlan(_:in:)``, and ``AccessDenied``.
    package func encryptionPlan(
        _ choice: EncryptionChoice = .byDefault, in collection: String, of objects: Objects, _ caller: Caller
    ) async throws -> EncryptionPlan {
        let plan = try await objects.encryptionPlan(choice, in: collection)
        if let key = plan.kmsKey {
            try await requireUse(of: key, "kms:GenerateDataKey", context: plan.context, caller)
        }
        return plan
    }

    /// What an object is read with, if the caller may use the key for it (`kms:Decrypt`).
    ///
    /// - Parameter action: for a part of an upload, `kms:GenerateDataKey`.
    /// - Throws: ``AccessDenied``, ``ObjectsError`` `.kmsNotFound`.
    package func unlock(
        _ encryption: ObjectEncryption, with customerKey: CustomerKey? = nil, of objects: Objects, _ caller: Caller,
        action: String = "kms:Decrypt"
    ) async throws -> ObjectUnlock {
        guard case .kms(let use) = encryption else { return ObjectUnlock(customerKey: customerKey) }
        let key = try await objects.kms.key(use.key)
        try await requireUse(of: key, action, context: use.context, caller)
        return ObjectUnlock(customerKey: customerKey, usesNamedKeys: true)
    }
}
