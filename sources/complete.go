package sources

// OfferKind says what an offer of a completion is.
type OfferKind string

// The kinds of offer.
const (
	OfferMetric    OfferKind = "metric"
	OfferLabel     OfferKind = "label"
	OfferValue     OfferKind = "value"
	OfferFunction  OfferKind = "function"
	OfferAggregate OfferKind = "aggregation"
	OfferKeyword   OfferKind = "keyword"
	OfferOperator  OfferKind = "operator"
	OfferDuration  OfferKind = "duration"
)

// Offer is something that may stand where the cursor is in a query. Its text is others': harmful until it is drawn.
type Offer struct {
	Text string // what is put in place of Completion.From..To
	Kind OfferKind
	Note string // what it is, in few words; may be ""
	Back int    // how many bytes before the end of Text the cursor goes: into the parentheses
}

// Completion is what may stand at the cursor of a query that is being written.
type Completion struct {
	// From..To are the bytes that an offer replaces.
	From, To int
	// Offers, the best first, at most MaxOffers; More counts those that fit and are left out.
	Offers []Offer
	More   int
	// Reason says why nothing is offered where something could be asked for and was not had; "" else.
	Reason string
}

// MaxOffers bounds the offers of one completion.
const MaxOffers = 50
