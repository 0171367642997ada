import Testing
import Wire

@testable import Catalogue

@Suite struct FieldSelectionTests {
    private func written(_ include: [String]?, _ exclude: [String]) throws -> JSONValue {
        let text =
            #"{"type":"Feature","stac_version":"1.1.0","id":"a","collection":"eo","links":[ {"rel":"via"}],"geometry":null,"bbox":[1,2],"#
            + #""properties":{"datetime":"2020","eo:cloud_cover":5,"o":{"p":1,"q":2}},"assets":{"B1":{"href":"x","title":"y"}}}"#
        let at = try #require(text.utf8.firstRange(of: Array("[ {".utf8))).lowerBound
        let record = ItemRecord(
            collection: "eo", id: "a", product: nil, tid: 1, updated: .now, document: Array(text.utf8),
            linksAt: text.utf8.distance(from: text.startIndex, to: at) + 1)
        var out: [UInt8] = []
        record.write(
            to: &out, links: Array(#"{"rel":"self"}"#.utf8), fields: FieldSelection(include: include, exclude: exclude))
        return try JSONValue(parsing: out)
    }

    private func names(_ value: JSONValue?) -> [String] { value?.object?.members.map(\.name) ?? [] }

    @Test("members are there or not, at any depth")
    func selections() throws {
        let identity = ["type", "stac_version", "id", "collection"]
        #expect(names(try written([], [])) == identity + ["links", "geometry", "bbox", "properties", "assets"])
        #expect(names(try written([], [])["properties"]) == ["datetime"])
        #expect(names(try written(["geometry"], [])) == identity + ["geometry"])
        let nested = try written(["properties.eo:cloud_cover", "properties.o.q"], ["properties"])
        #expect(nested["properties"] == ["eo:cloud_cover": 5, "o": ["q": 2]])
        #expect(
            names(try written(nil, ["assets", "id"])) == [
                "type", "stac_version", "collection", "links", "geometry", "bbox", "properties",
            ])
        #expect(
            try written(["properties"], ["properties.o"])["properties"] == ["datetime": "2020", "eo:cloud_cover": 5])
        #expect(try written(nil, ["assets.B1.href"])["assets"] == ["B1": ["title": "y"]])
        #expect(names(try written(["geometry"], ["geometry"])) == identity + ["geometry"])
        #expect(names(try written(["nothing", "bbox.x"], [])) == identity)
        let links = try written(["links"], [])["links"]?.array
        #expect(links?.compactMap { $0["rel"]?.string } == ["self", "via"])
    }
}
