import Catalogue
import HTTPSupport
import IAMPolicy
import Identity
import Ledger
import Policy
import TraceFormat
import Wire

extension TraceService {
    /// The traces of the product for which an item stands. Who may not read the item is not told whether there is one.
    func traces(ofItem id: String, in collection: String, _ request: Request) async throws -> [TraceID] {
        let caller = try await authenticator.caller(of: request)
        try await gate.require(
            caller.principal, "stac:GetItem", on: ResourceName.item(collection, id), caller.context)
        guard let place = try await catalogue.product(collection: collection, id: id) else {
            throw APIError.notFound("there is no item '\(id)' of a product in the collection '\(collection)'")
        }
        return try await ledger.ids(collection: place.collection, product: place.product)
    }
}

/// Who reads traces, and so which links to items they are shown: those of items that they may read.
///
/// Everybody may read traces, whatever the Authorization header says. So who they are is only asked where there is
/// something to link to, and who cannot be told is shown no links.
struct TraceVisitor {
    private let service: TraceService
    private let request: Request
    /// Nil until it was asked; then nil for somebody who showed what does not count.
    private var caller: Caller??

    init(_ service: TraceService, _ request: Request) {
        self.service = service
        self.request = request
    }

    /// A trace's document with links to the items of its product on this node. What is stored is copied, not written
    /// anew.
    mutating func linked(_ document: [UInt8], _ id: TraceID) async throws -> [UInt8] {
        var addresses: [String] = []
        for place in try await service.ledger.places(of: id) {
            let item = try await service.catalogue.itemName(collection: place.collection, product: place.product)
            guard let item, let caller = await identified() else { continue }
            let resource = ResourceName.item(item.collection, item.id)
            let decision = try await service.gate.decide(caller.principal, "stac:GetItem", on: resource, caller.context)
            guard decision.isAllowed else { continue }
            addresses.append(
                "\(request.origin)/stac/collections/\(PercentEncoding.encode(item.collection))"
                    + "/items/\(PercentEncoding.encode(item.id))")
        }
        guard !addresses.isEmpty else { return document }
        var json = JSONWriter()
        json.object {
            $0.key("links")
            $0.array { json in
                for address in addresses {
                    json.object {
                        $0.member("rel", "item")
                        $0.member("type", MediaType.geoJSON)
                        $0.member("href", address)
                    }
                }
            }
        }
        // The object goes on with what the other one begins with.
        return document.dropLast() + [UInt8(ascii: ",")] + json.bytes.dropFirst()
    }

    private mutating func identified() async -> Caller? {
        if let caller { return caller }
        let found = try? await service.authenticator.caller(of: request)
        caller = .some(found)
        return found
    }
}
