import HTTPSupport
import TestSupport
import Testing
import Wire

@testable import Catalogue
@testable import ODataAPI

@Suite struct QueryTests {
    private static let item = ItemRecord(
        collection: "eo", id: "a", product: nil, tid: 1, updated: Timestamp(seconds: 0), document: [], linksAt: 0)

    private static func product(_ sizes: String) throws -> Product {
        Product(item, document: try JSONValue(parsing: #"{"assets":{"# + sizes + "}}"))
    }

    @Test("sizes that an item claims are added up, whatever they are")
    func lengths() throws {
        #expect(try Self.product(#""a":{"file:size":5},"b":{"file:size":7}"#).length == 12)
        #expect(try Self.product(#""a":{"file:size":-5},"b":{"file:size":7}"#).length == 7)
        #expect(try Self.product(#""a":{"file:size":9223372036854775807},"b":{"file:size":7}"#).length == .max)
        #expect(try Self.product(#""a":{"file:size":-9223372036854775808},"b":{"file:size":"x"}"#).length == 0)
    }

    @Test("the id of a product is its number, that of an asset is not one")
    func ids() {
        for number in [0, 1, 0xFFFF, Int64.max] {
            var item = Self.item
            item.number = number
            #expect(ProductID(product: ProductID(item).text)?.number == number)
            let asset = ProductID(item, asset: 3).text
            #expect(ProductID(product: asset) == nil && ProductID(asset)?.asset == 3)
        }
    }

    @Test("orders are those that there are")
    func orders() throws {
        func options(_ order: String) throws -> ODataOptions {
            try ODataOptions(products: QueryItems([("$orderby", order)]))
        }
        let sorted = try options("ContentDate/Start desc, Name").sortOrder()
        #expect(sorted.fields.map(\.property) == ["datetime", "id"] && sorted.fields[0].isDescending)
        let deleted = try options("DeletionDate").deletedOrder()
        #expect(deleted.0 == .deletion && !deleted.isDescending)
        #expect(throws: Problem.self) { try options("DeletionDate").sortOrder() }
        #expect(throws: Problem.self) { try options("PublicationDate").deletedOrder() }
        #expect(throws: Problem.self) { try options("Name,DeletionDate").deletedOrder() }
        #expect(throws: Problem.self) { try options("Name up") }
        #expect(throws: Problem.self) { try options(",") }
    }

    @Test("no query string brings the service down")
    func fuzz() throws {
        let seeds = [
            "$filter=Collection/Name eq 'SENTINEL-2' and ContentDate/Start gt 2022-05-03T00:00:00.000Z&$top=5&$count=True",
            "$filter=Id in (00000000-0000-8000-8000-000000000001,'00000000-0000-8000-8000-000000000002') or not Id eq x",
            "$filter=OData.CSC.Intersects(area=geography'SRID=4326;POLYGON((0 0,1 0,1 1,0 0))')&$expand=Attributes,Assets",
            "$filter=Attributes/OData.CSC.StringAttribute/any(att:att/Name eq 'tileId' and "
                + "att/OData.CSC.StringAttribute/Value in ('33UVP','T33UVP'))&$orderby=Name desc&$skip=1&$select=Name",
            "$filter=startswith(Name,'S2') and DeletionDate ge 2022-05-03 and DeletionCause eq 'Missing checksum'",
            "$filter=Attributes/OData.CSC.DoubleAttribute/any(a:a/Name eq 'cloudCover' and a/Value le 9e999)&$skiptoken=12.a",
        ]
        let directory = CollectionDirectory([], isWhole: true)
        var random = SeededGenerator(seed: 11)
        var understood = 0
        for seed in seeds {
            random.mutants(of: seed, rounds: 3000) { bytes in
                guard let query = QueryItems(parsing: String(decoding: bytes, as: UTF8.self)),
                    let options = try? ODataOptions(products: query)
                else { return }
                for entities in [FilterTranslation.Entities.deletedProducts, .products([1: ("eo", "a")])] {
                    let translation = FilterTranslation(directory: directory, entities: entities)
                    if (try? options.filter.map(translation.condition)) != nil { understood += 1 }
                }
                _ = try? options.sortOrder()
                _ = try? options.deletedOrder()
                _ = options.token.flatMap { DeletedPlace($0) }
            }
        }
        #expect(understood > 100)
    }
}
