package pane

// gpuPlan is how many rows each part of a sheet has.
type gpuPlan struct {
	notes  int
	gauges int // of all four
	each   int // of each
	marks  int
	axis   int
	facts  int
	people int
	xids   int
}

// plan shares the rows out. Each part has its least at first, in the order in
// which one looks for them, then what it would fill; what is left makes the
// graphs higher.
func (s *gpuSheet) plan(even gpuPlan) gpuPlan {
	var n gpuPlan
	n.each = 1
	_, right := s.columns()
	width := s.w
	if right > 0 {
		width = right
	}
	rows := gpuRoom(max(0, s.h-1))
	notes := max(even.notes, min(len(s.notes), 3))
	if right > 0 {
		rows.some(&n.notes, notes)
		beside := rows
		s.planGauges(&rows, &n, even)
		s.planLists(&beside, &n, width)
		return n
	}
	rows.some(&n.gauges, 4)
	rows.some(&n.notes, min(notes, 1))
	rows.some(&n.axis, 1)
	rows.some(&n.people, 1)
	rows.some(&n.xids, 1)
	rows.some(&n.facts, min(s.factRows(1), 3))
	rows.some(&n.xids, min(s.xidRows(width)-1, 3))
	rows.some(&n.notes, notes-n.notes)
	rows.grow(&n, min(2, even.each))
	rows.some(&n.marks, 1)
	for range 2 { // graphs that grow take facts in, which gives rows back
		s.planLists(&rows, &n, width)
		rows.grow(&n, even.each)
		s.spare(&rows, &n)
	}
	rows.grow(&n, even.each)
	s.spare(&rows, &n)
	s.planLists(&rows, &n, width)
	return n
}

func (s *gpuSheet) planGauges(rows *gpuRoom, n *gpuPlan, even gpuPlan) {
	rows.some(&n.gauges, 4)
	rows.some(&n.axis, 1)
	rows.grow(n, min(2, even.each))
	rows.some(&n.marks, 1)
	rows.grow(n, even.each)
}

func (s *gpuSheet) planLists(rows *gpuRoom, n *gpuPlan, w int) {
	people, xids := gpuPeople(s.d.g), s.xidRows(w)
	rows.some(&n.people, 1-n.people)
	rows.some(&n.xids, 1-n.xids)
	rows.some(&n.facts, min(s.factRows(n.each), 4)-n.facts)
	rows.some(&n.xids, min(xids, 4)-n.xids)
	rows.some(&n.people, min(people, 4)-n.people)
	rows.some(&n.xids, min(xids, 8)-n.xids) // what to do comes before what is as ever
	rows.some(&n.facts, s.factRows(n.each)-n.facts)
	rows.some(&n.xids, xids-n.xids)
	rows.some(&n.people, people-n.people)
}

// spare takes rows back that have no facts to fill them.
func (s *gpuSheet) spare(rows *gpuRoom, n *gpuPlan) {
	if over := n.facts - s.factRows(n.each); over > 0 {
		n.facts -= over
		*rows += gpuRoom(over)
	}
}

// xidRows is how many rows the XIDs fill, at most all.
func (s *gpuSheet) xidRows(w int) int {
	if len(s.d.xids) == 0 {
		return 1
	}
	return len(gpuXIDLines(s.c.Theme, s.d, s.p.now, w-gpuFactLabel, s.h))
}

// gpuRoom is how many rows are left to give.
type gpuRoom int

// some gives a part as many rows more as it wants.
func (r *gpuRoom) some(n *int, want int) {
	give := max(0, min(int(*r), want))
	*n += give
	*r -= gpuRoom(give)
}

// grow makes graphs higher, all alike or none.
func (r *gpuRoom) grow(n *gpuPlan, most int) {
	for n.gauges == 4*n.each && n.each < most && *r >= 4 {
		n.gauges += 4
		n.each++
		*r -= 4
	}
}
