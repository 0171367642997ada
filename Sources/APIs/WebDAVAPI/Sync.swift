import Ciphers
import HTTPSupport
import IAMPolicy
import Identity
import Objects
import Policy
import Wire

// What sync clients want to know of a folder before they look into it.
extension WebDAVService {
    /// Adds what is asked by sync clients alone.
    func complete(_ resource: inout Resource, _ request: PropertyRequest, _ call: Call) async throws {
        guard isForSync, let entry = resource.entry else { return }
        if entry.isFolder, request.needsETags {
            resource.folderTag = try await objects.folderTags(
                collection: resource.address.collection, paths: [entry.path])[entry.path]
        }
        if request.needsPermissions { resource.permissions = try await permissions(of: resource, call) }
    }

    /// The tags of the folders of a page.
    func tags(
        of entries: [Entry], in collection: String, _ request: PropertyRequest
    ) async throws -> [String: String] {
        guard isForSync, request.needsETags else { return [:] }
        return try await objects.folderTags(
            collection: collection, paths: entries.filter(\.isFolder).map(\.path))
    }

    /// Changes with anything in any collection that the caller sees.
    func rootTag(_ call: Call, _ seesAll: Bool) async throws -> String {
        var text = ""
        var after = ""
        while true {
            let page = try await objects.collections(after: after)
            for collection in page {
                let address = Address(collection: collection.name, path: "", isFolder: true)
                let (resource, context) = listing(call, address)
                if !seesAll,
                    try await !gate.decide(call.caller.principal, "s3:ListBucket", on: resource, context).isAllowed
                {
                    continue
                }
                let tag = try await objects.folderTags(collection: collection.name, paths: [""])[""] ?? ""
                text += "\(collection.id) \(tag)\n"
            }
            guard page.count == 1000, let last = page.last else { break }
            after = last.name
        }
        return Hex.encode(DigestAlgorithm.sha256.hash(Array(text.utf8)).prefix(16))
    }

    /// ownCloud's letters: G read, D delete, N rename, V move, W write, C and K make files and folders in it.
    func permissions(of resource: Resource, _ call: Call) async throws -> String {
        let address = resource.address
        func may(_ action: String, _ key: String) async throws -> Bool {
            try await gate.decide(
                call.caller.principal, action, on: ResourceName.object(address.collection, key), call.caller.context
            ).isAllowed
        }
        let key = resource.isFile ? address.path : address.prefix
        var letters = ""
        if resource.isFile {
            if try await may("s3:GetObject", key) { letters += "G" }
        } else {
            letters += "G"
        }
        // A collection stays where it is.
        if !address.path.isEmpty, try await may("s3:DeleteObject", key) { letters += "DNV" }
        if try await may("s3:PutObject", resource.isFile ? key : key + "*") { letters += resource.isFile ? "W" : "CK" }
        return letters
    }
}
